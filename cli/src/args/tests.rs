#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::Cli;

/// The long help of every verb, the environment left out.
#[test]
fn the_help_of_every_verb_is_as_it_was() {
    let mut command = Cli::command().mut_args(|arg| arg.hide_env_values(true)).term_width(100);
    command.build();
    let mut help = command.render_long_help().to_string();
    for verb in command.get_subcommands_mut() {
        let text = verb.render_long_help();
        help += &format!("\n\n======== {} ========\n\n{text}", verb.get_name());
    }
    insta::assert_snapshot!(help);
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}
