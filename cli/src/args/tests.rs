#![allow(clippy::unwrap_used)]

use clap::{Command, CommandFactory};

use super::Cli;

/// The long help of a verb and of those below it.
fn help(command: &mut Command, path: &str) -> String {
    let mut text = format!("======== {path} ========\n\n{}", command.render_long_help());
    for below in command.get_subcommands_mut() {
        let path = format!("{path} {}", below.get_name());
        text += "\n\n";
        text += &help(below, &path);
    }
    text
}

/// What is set where the tests run is no part of the help.
fn without_environment(command: Command) -> Command {
    command.term_width(100).mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_environment)
}

#[test]
fn the_help_of_every_verb_is_as_it_was() {
    let mut command = without_environment(Cli::command());
    command.build();
    insta::assert_snapshot!(help(&mut command, "entropool"));
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}
