//! What single pieces of syntax mean: names, imports, types and conditions.

use proc_macro2::TokenTree;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, GenericArgument, Item, ItemImpl, Lit, Meta, PathArguments, Token, Type, UseTree};

use crate::code::Name;

pub(crate) fn bare(ident: &syn::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

pub(crate) fn name_of(path: &syn::Path) -> Name {
    let segments = path.segments.iter().map(|segment| bare(&segment.ident)).collect();
    Name { segments, is_global: path.leading_colon.is_some() }
}

pub(crate) fn quoted_path(token: TokenTree) -> Option<Name> {
    let TokenTree::Literal(literal) = token else { return None };
    let Lit::Str(text) = Lit::new(literal) else { return None };
    text.parse_with(syn::Path::parse_mod_style)
        .ok()
        .map(|path| name_of(&path))
        .filter(|name| name.segments.len() > 1)
}

pub(crate) fn trait_of(item: &ItemImpl) -> Option<String> {
    let (path, _) = item.trait_.as_ref()?;
    path.segments.last().map(|segment| bare(&segment.ident))
}

/// The leaves of a `use`: the name each gives, none for a glob, and its path.
pub(crate) fn leaves(
    tree: &UseTree,
    before: &mut Vec<String>,
    found: &mut Vec<(Option<String>, Vec<String>)>,
) {
    let path_to = |before: &[String], last: String| {
        let is_self = last == "self" && !before.is_empty();
        before.iter().cloned().chain((!is_self).then_some(last)).collect::<Vec<_>>()
    };
    match tree {
        UseTree::Path(path) => {
            before.push(bare(&path.ident));
            leaves(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) => {
            let path = path_to(before, bare(&name.ident));
            found.push((path.last().cloned(), path));
        }
        UseTree::Rename(rename) => {
            found.push((Some(bare(&rename.rename)), path_to(before, bare(&rename.ident))));
        }
        UseTree::Glob(_) => found.push((None, before.clone())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
    }
}

/// The types that a type names: for `Option<wire::Pool>` these are `Option` and `wire::Pool`. `Self` is `own`, and of a
/// `Result` the error is left out.
pub(crate) fn types_in(of: &Type, own: &[Name]) -> Vec<Name> {
    struct Types<'o>(&'o [Name], Vec<Name>);
    impl<'ast> Visit<'ast> for Types<'_> {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            if path.is_ident("Self") {
                self.1.extend_from_slice(self.0);
            } else {
                self.1.push(name_of(path));
            }
            let Some(last) = path.segments.last() else { return };
            if last.ident != "Result" {
                visit::visit_path(self, path);
            } else if let PathArguments::AngleBracketed(arguments) = &last.arguments
                && let Some(GenericArgument::Type(value)) = arguments.args.first()
            {
                self.visit_type(value);
            }
        }
    }
    let mut types = Types(own, Vec::new());
    types.visit_type(of);
    types.1
}

/// What an attribute of the form `#[cfg(...)]` amounts to in what is shipped: no tests, no features. Nothing where it
/// depends on the machine.
pub(crate) fn condition(attribute: &Attribute) -> Option<bool> {
    let Meta::List(list) = &attribute.meta else { return None };
    if !list.path.is_ident("cfg") {
        return None;
    }
    list.parse_args::<Meta>().ok().and_then(|predicate| evaluate(&predicate))
}

fn evaluate(predicate: &Meta) -> Option<bool> {
    match predicate {
        Meta::Path(path) => path.is_ident("test").then_some(false),
        Meta::NameValue(pair) => pair.path.is_ident("feature").then_some(false),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let mut values = parts.iter().map(evaluate);
            if list.path.is_ident("not") {
                values.next().flatten().map(|value| !value)
            } else if list.path.is_ident("all") {
                values.any(|value| value == Some(false)).then_some(false)
            } else {
                values.all(|value| value == Some(false)).then_some(false)
            }
        }
    }
}

/// The path that `#[path = "..."]` names.
pub(crate) fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    if !pair.path.is_ident("path") {
        return None;
    }
    let Expr::Lit(literal) = &pair.value else { return None };
    let Lit::Str(text) = &literal.lit else { return None };
    Some(text.value())
}

pub(crate) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
