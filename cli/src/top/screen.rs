//! `top` on a terminal.

use std::thread;

use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::{DefaultTerminal, Frame};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::TopView;
use crate::args::TopArgs;
use crate::render::{self, TopRow};
use crate::view::Tree;

/// Redraws at each look and each key until `q`.
pub(super) async fn show(looks: &mut TopView, args: &TopArgs) -> Result<()> {
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let end = watch(&mut terminal, looks, args).await;
    ratatui::restore();
    end
}

async fn watch(terminal: &mut DefaultTerminal, looks: &mut TopView, args: &TopArgs) -> Result<()> {
    let mut keys = keys();
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut screen = Screen { vms: args.vms, offset: 0, looks: None };
    loop {
        terminal.draw(|frame| screen.draw(frame)).context("cannot draw on the terminal")?;
        tokio::select! {
            next = looks.next() => screen.looks = Some(next?),
            _ = terminated.recv() => return Ok(()),
            key = keys.recv() => match key {
                Some(key) if !quits(key) => screen.press(key.code),
                _ => return Ok(()),
            },
        }
    }
}

/// Keys, from a thread of their own: the terminal can only be waited for.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (send, receive) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind == KeyEventKind::Press => key,
                // Any key that does nothing will do: the screen is drawn anew.
                Event::Resize(..) => KeyEvent::new(KeyCode::Null, KeyModifiers::NONE),
                _ => continue,
            };
            if send.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receive
}

fn quits(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// What is shown.
struct Screen {
    vms: bool,
    offset: usize,
    looks: Option<(Tree, Tree)>,
}

impl Screen {
    fn press(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('v') => self.vms = !self.vms,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.offset += 1,
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(10),
            KeyCode::PageDown => self.offset += 10,
            KeyCode::Home => self.offset = 0,
            _ => {}
        }
    }

    fn draw(&mut self, frame: &mut Frame) {
        let [header, body, footer] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
                .areas(frame.area());
        let rows = match &self.looks {
            Some((earlier, tree)) => render::top(earlier, tree, self.vms),
            None => Vec::new(),
        };
        let table = render::top_table(&rows);
        let mut lines = table.lines();
        if self.looks.is_some() {
            frame.render_widget(Line::raw(lines.next().unwrap_or_default()).bold(), header);
        }
        self.offset = self.offset.min(rows.len().saturating_sub(usize::from(body.height)));
        let shown = lines.zip(&rows).skip(self.offset).zip(body.rows());
        for ((line, row), area) in shown {
            frame.render_widget(Line::styled(line, style(row)), area);
        }
        frame.render_widget(Line::raw("q quits   v shows VMs   arrows scroll").dim(), footer);
    }
}

/// Idle is dim, waiting stands out.
fn style(row: &TopRow) -> Style {
    match row {
        TopRow { waiting: 1.., .. } => Style::new().yellow(),
        TopRow { rate_now, .. } if *rate_now > 0.0 => Style::new(),
        _ => Style::new().dim(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(screen: &mut Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(78, 7)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    fn screen() -> Screen {
        let tree = render::samples::tree();
        Screen { vms: false, offset: 0, looks: Some((tree.clone(), tree)) }
    }

    #[test]
    fn the_screen_is_the_table_with_a_line_of_help() {
        insta::assert_snapshot!(drawn(&mut screen()));
    }

    #[test]
    fn scrolling_ends_with_the_last_row() {
        let mut screen = screen();
        screen.press(KeyCode::Char('v'));
        screen.press(KeyCode::PageDown);
        screen.press(KeyCode::PageDown);
        insta::assert_snapshot!(drawn(&mut screen));
    }

    #[test]
    fn q_escape_and_control_c_quit() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert!(quits(key(KeyCode::Char('q'), KeyModifiers::NONE)));
        assert!(quits(key(KeyCode::Esc, KeyModifiers::NONE)));
        assert!(quits(key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(!quits(key(KeyCode::Char('c'), KeyModifiers::NONE)));
    }
}
