//! From text to [`Code`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, FnArg, ImplItem, Item, ItemMod, ItemUse, Meta, ReturnType, Signature, Stmt,
    TraitItem, Visibility,
};

use crate::code::{Code, File, FileId, Function, Import, Module, ModuleId, Name};
use crate::syntax::{
    attributes_of, bare, condition, leaves, name_of, path_attribute, quoted_path, trait_of, types_in,
};

/// Reads the modules of one library or program into `code`.
pub(crate) struct Reader<'c> {
    code: &'c mut Code,
    /// Files whose modules are still to be read: by what module, and where their own submodules lie.
    pending: Vec<Pending>,
}

struct Pending {
    module: ModuleId,
    text: String,
    folder: PathBuf,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(code: &'c mut Code) -> Self {
        Self { code, pending: Vec::new() }
    }

    /// Reads from the root file on.
    pub(crate) fn target(mut self, root: &Path) -> Result<()> {
        let module = self.code.modules.len();
        self.file(root, Module { root: module, ..Module::default() }, parent_of(root))?;
        while let Some(pending) = self.pending.pop() {
            self.modules(pending)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, module: Module, folder: PathBuf) -> Result<ModuleId> {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let relative = path.strip_prefix(&self.code.root).unwrap_or(path).display().to_string();
        let id = self.code.modules.len();
        let known = self.code.files.iter().position(|file| file.path == relative);
        let file = known.unwrap_or_else(|| {
            self.code.files.push(File {
                path: relative,
                package: self.code.packages.len() - 1,
                lines: 0,
                silent: 0,
                functions: Vec::new(),
                types: Vec::new(),
            });
            self.code.files.len() - 1
        });
        self.code.modules.push(Module { file, ..module });
        self.pending.push(Pending { module: id, text, folder });
        Ok(id)
    }

    fn modules(&mut self, pending: Pending) -> Result<()> {
        let Pending { module, text, folder } = pending;
        let file = self.code.modules[module].file;
        let path = self.code.files[file].path.clone();
        let syntax = syn::parse_file(&text).map_err(|error| {
            let at = error.span().start();
            anyhow!("{path}:{}:{} is not Rust: {error}", at.line, at.column + 1)
        })?;
        let mut walk = Walk {
            reader: self,
            module,
            file,
            folder,
            within: None,
            skipped: BTreeSet::new(),
            functions: Vec::new(),
            types: Vec::new(),
            failed: None,
        };
        syntax.items.iter().for_each(|item| walk.visit_item(item));
        let (skipped, functions, types, failed) = (walk.skipped, walk.functions, walk.types, walk.failed);
        if let Some(error) = failed {
            return Err(error);
        }
        let kept =
            || (1..).zip(text.lines()).filter(|(number, _)| !skipped.contains(number)).map(|(_, line)| line);
        let file = &mut self.code.files[file];
        file.lines = kept().count();
        file.silent = kept().filter(|line| is_silent(line)).count();
        file.functions = functions;
        file.types = types;
        Ok(())
    }
}

fn is_silent(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("//")
}

fn parent_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Looks through one file.
struct Walk<'r, 'c> {
    reader: &'r mut Reader<'c>,
    module: ModuleId,
    file: FileId,
    /// Where the files of submodules lie.
    folder: PathBuf,
    within: Option<Impl>,
    /// Lines of what is compiled for tests only.
    skipped: BTreeSet<usize>,
    functions: Vec<Function>,
    types: Vec<String>,
    failed: Option<anyhow::Error>,
}

/// The head of the `impl` or `trait` around a function.
struct Impl {
    of_trait: Option<String>,
    own: Vec<Name>,
}

impl Walk<'_, '_> {
    fn module(&mut self) -> &mut Module {
        &mut self.reader.code.modules[self.module]
    }

    /// Whether it is shipped; if not, its lines are left out.
    fn is_shipped(&mut self, attributes: &[Attribute], whole: &impl Spanned) -> bool {
        let shipped = attributes.iter().all(|attribute| condition(attribute) != Some(false));
        if !shipped {
            let span = whole.span();
            self.skipped.extend(span.start().line..=span.end().line);
        }
        shipped
    }

    fn define(&mut self, name: String) {
        self.module().items.insert(name);
    }

    fn mention(&mut self, name: Name) {
        self.module().mentions.insert(name);
    }

    fn submodule(&mut self, item: &ItemMod) -> Result<()> {
        let name = bare(&item.ident);
        let blank = Module { root: self.module().root, parent: Some(self.module), ..Module::default() };
        let path = item.attrs.iter().find_map(path_attribute);
        let id = if let Some((_, items)) = &item.content {
            let id = self.reader.code.modules.len();
            self.reader.code.modules.push(Module { file: self.file, ..blank });
            let (outer, folder) = (self.module, self.folder.clone());
            (self.module, self.folder) = (id, folder.join(&name));
            for item in items {
                self.visit_item(item);
            }
            (self.module, self.folder) = (outer, folder);
            id
        } else if let Some(path) = path {
            let own = self.reader.code.root.join(&self.reader.code.files[self.file].path);
            let path = parent_of(&own).join(path);
            self.reader.file(&path, blank, parent_of(&path))?
        } else {
            let (beside, within) =
                (self.folder.join(format!("{name}.rs")), self.folder.join(&name).join("mod.rs"));
            let path = if beside.exists() { beside } else { within };
            self.reader.file(&path, blank, self.folder.join(&name))?
        };
        self.module().children.insert(name, id);
        Ok(())
    }

    fn import(&mut self, item: &ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        let mut found = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut found);
        for (name, segments) in found {
            let path = Name { segments, is_global: item.leading_colon.is_some() };
            self.module().imports.push(Import { name, path, is_reexport });
        }
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        let (from, to) = (signature.span().start().line, body.brace_token.span.close().end().line);
        let own = self.within.as_ref().map_or(&[][..], |within| &within.own);
        let mut takes = Vec::new();
        for argument in &signature.inputs {
            match argument {
                FnArg::Receiver(_) => takes.extend_from_slice(own),
                FnArg::Typed(typed) => takes.extend(types_in(&typed.ty, own)),
            }
        }
        let gives = match &signature.output {
            ReturnType::Default => Vec::new(),
            ReturnType::Type(_, result) => types_in(result, own),
        };
        self.functions.push(Function {
            name: bare(&signature.ident),
            module: self.module,
            line: from,
            lines: to + 1 - from,
            is_async: signature.asyncness.is_some(),
            of_trait: self.within.as_ref().and_then(|within| within.of_trait.clone()),
            takes,
            gives,
        });
    }

    fn inside(&mut self, within: Option<Impl>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.within, within);
        visit(self);
        self.within = outer;
    }

    /// Paths in what a macro is given, which is no syntax yet.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // What stood before: a name, one or two colons, a dot (whose name is a field or a method), or anything else.
        let mut before = Before::Other;
        for token in tokens {
            before = match (token, before) {
                (TokenTree::Ident(_), Before::Dot) => Before::Other,
                (TokenTree::Ident(ident), Before::Colons) => {
                    path.push(bare(&ident));
                    Before::Name
                }
                (TokenTree::Ident(ident), _) => {
                    self.end(&mut path);
                    path.push(bare(&ident));
                    Before::Name
                }
                (TokenTree::Punct(punct), Before::Name) if punct.as_char() == ':' => Before::Colon,
                (TokenTree::Punct(punct), Before::Colon) if punct.as_char() == ':' => Before::Colons,
                (other, _) => {
                    self.end(&mut path);
                    let is_dot = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.');
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                    if is_dot { Before::Dot } else { Before::Other }
                }
            };
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.mention(Name { segments: std::mem::take(path), is_global: false });
        }
    }
}

#[derive(Clone, Copy)]
enum Before {
    Name,
    Colon,
    Colons,
    Dot,
    Other,
}

impl<'ast> Visit<'ast> for Walk<'_, '_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.is_shipped(attributes_of(item), item) {
            return;
        }
        match item {
            Item::Mod(item) => {
                if let Err(error) = self.submodule(item) {
                    self.failed.get_or_insert(error);
                }
                return;
            }
            Item::Use(item) => return self.import(item),
            Item::Impl(item) => {
                let own = types_in(&item.self_ty, &[]);
                let within = Impl { of_trait: trait_of(item), own };
                return self.inside(Some(within), |walk| visit::visit_item_impl(walk, item));
            }
            Item::Trait(item) => {
                self.define(bare(&item.ident));
                self.types.push(bare(&item.ident));
                let within = Impl { of_trait: None, own: Vec::new() };
                return self.inside(Some(within), |walk| visit::visit_item_trait(walk, item));
            }
            Item::Fn(item) => {
                self.define(bare(&item.sig.ident));
                self.inside(None, |walk| walk.function(&item.sig, &item.block));
            }
            Item::Struct(item) => {
                self.define(bare(&item.ident));
                self.types.push(bare(&item.ident));
            }
            Item::Enum(item) => {
                self.define(bare(&item.ident));
                self.types.push(bare(&item.ident));
            }
            Item::Union(item) => {
                self.define(bare(&item.ident));
                self.types.push(bare(&item.ident));
            }
            Item::Type(item) => {
                self.define(bare(&item.ident));
                self.types.push(bare(&item.ident));
            }
            Item::Const(item) => self.define(bare(&item.ident)),
            Item::Static(item) => self.define(bare(&item.ident)),
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.define(bare(name));
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if !self.is_shipped(attributes, item) {
            return;
        }
        if let ImplItem::Fn(method) = item {
            self.function(&method.sig, &method.block);
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if !self.is_shipped(attributes, item) {
            return;
        }
        if let TraitItem::Fn(method) = item
            && let Some(body) = &method.default
        {
            self.function(&method.sig, body);
        }
        visit::visit_trait_item(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if self.is_shipped(&field.attrs, field) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if self.is_shipped(&variant.attrs, variant) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if self.is_shipped(&arm.attrs, arm) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let shipped = match statement {
            Stmt::Local(local) => self.is_shipped(&local.attrs, local),
            Stmt::Macro(call) => self.is_shipped(&call.attrs, call),
            Stmt::Expr(Expr::Block(block), _) => self.is_shipped(&block.attrs, block),
            _ => true,
        };
        if shipped {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // `#[serde(with = "hex")]` names a module or a function in a string.
        if let Meta::List(list) = &attribute.meta {
            let paths = list.tokens.clone().into_iter().filter_map(quoted_path).collect::<Vec<_>>();
            for path in paths {
                self.mention(path);
            }
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(name_of(path));
        visit::visit_path(self, path);
    }
}
