//! `top` as a live screen on a terminal.

use std::thread;

use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::{DefaultTerminal, Frame};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::intervals::{Interval, Intervals};
use super::rows::{TopRow, rows, table};
use crate::args::TopArgs;

/// Redraws after each interval and each key until `q`.
pub(super) async fn show(intervals: &mut Intervals, args: &TopArgs) -> Result<()> {
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let result = watch(&mut terminal, intervals, args).await;
    ratatui::restore();
    result
}

async fn watch(terminal: &mut DefaultTerminal, intervals: &mut Intervals, args: &TopArgs) -> Result<()> {
    let mut keys = keys();
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut screen = Screen { vms: args.vms, offset: 0, interval: None };
    loop {
        terminal.draw(|frame| screen.draw(frame)).context("cannot draw on the terminal")?;
        tokio::select! {
            next = intervals.next() => screen.interval = Some(next?),
            _ = terminated.recv() => return Ok(()),
            key = keys.recv() => match key {
                Some(key) if !quits(key) => screen.press(key.code),
                _ => return Ok(()),
            },
        }
    }
}

/// Keys, from a thread: reading the terminal blocks.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (send, receive) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind == KeyEventKind::Press => key,
                // Any key redraws the screen; this one does nothing else.
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

struct Screen {
    vms: bool,
    offset: usize,
    interval: Option<Interval>,
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
        let rows = self.interval.as_ref().map(|interval| rows(interval, self.vms)).unwrap_or_default();
        let table = table(&rows);
        let mut lines = table.lines();
        if self.interval.is_some() {
            frame.render_widget(Line::raw(lines.next().unwrap_or_default()).bold(), header);
        }
        self.offset = self.offset.min(rows.len().saturating_sub(usize::from(body.height)));
        let shown = lines.zip(&rows).skip(self.offset).zip(body.rows());
        for ((line, row), area) in shown {
            frame.render_widget(Line::styled(line, style(row)), area);
        }
        frame.render_widget(Line::raw("q: quit   v: show VMs   arrows: scroll").dim(), footer);
    }
}

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
    use crate::output::samples;

    fn drawn(screen: &mut Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(78, 7)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    fn screen() -> Screen {
        let interval = Interval { earlier: samples::tree(), later: samples::tree() };
        Screen { vms: false, offset: 0, interval: Some(interval) }
    }

    #[test]
    fn screen_is_the_table_with_a_line_of_help() {
        insta::assert_snapshot!(drawn(&mut screen()));
    }

    #[test]
    fn scrolling_stops_at_the_last_row() {
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
