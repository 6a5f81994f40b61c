#![allow(clippy::unwrap_used)]

use clap::{Command, CommandFactory};

use super::Cli;

/// The long help of a command and of its subcommands.
fn help(command: &mut Command, path: &str) -> String {
    let mut text = format!("======== {path} ========\n\n{}", command.render_long_help());
    for below in command.get_subcommands_mut() {
        let path = format!("{path} {}", below.get_name());
        text += "\n\n";
        text += &help(below, &path);
    }
    text
}

/// The help does not depend on the environment of the tests.
fn without_environment(command: Command) -> Command {
    command.term_width(100).mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_environment)
}

#[test]
fn help_of_every_command() {
    let mut command = without_environment(Cli::command());
    command.build();
    insta::assert_snapshot!(help(&mut command, "entropool"));
}

#[test]
fn definition_of_the_command_line_is_valid() {
    Cli::command().debug_assert();
}
