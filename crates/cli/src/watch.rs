//! Progress bars on standard error, and stopping at Ctrl-C.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cdt_trace::Watch;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long work may take to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// From now on Ctrl-C asks the running work to stop, which leaves nothing half done. Work that cannot hear it, because it waits
/// for a pipe, is ended with this exit code: at the second Ctrl-C, or after a while.
#[expect(clippy::disallowed_methods, reason = "nothing else ends a thread that waits for a pipe")]
pub fn catch_interrupts(exit: Exit) {
    let leave = move || std::process::exit(exit.code().into());
    // Without a handler Ctrl-C ends the process at once; then a `.partial` file may stay, which the next writer names.
    let _ = ctrlc::set_handler(move || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            leave();
        }
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            if INTERRUPTED.load(Ordering::Relaxed) {
                leave();
            }
        });
    });
}

/// Forgets a Ctrl-C that has been heeded: the next one stops what is done then.
pub fn forget_interrupt() {
    INTERRUPTED.store(false, Ordering::Relaxed);
}

/// Draws a bar for work that takes over a second, on a terminal only.
pub struct Bar {
    doing: &'static str,
    began: Instant,
    bar: RefCell<Option<ProgressBar>>,
}

impl Bar {
    /// A bar for work that is called `doing`.
    #[expect(clippy::disallowed_methods, reason = "a door may ask the clock")]
    pub fn new(doing: &'static str) -> Bar {
        Bar { doing, began: Instant::now(), bar: RefCell::new(None) }
    }
}

impl Bar {
    /// Lets something be written that must not end up in the middle of the bar.
    pub fn aside(&self, write: impl FnOnce()) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Watch for Bar {
    fn progress(&self, done: u64, total: Option<u64>) {
        if self.began.elapsed() < PATIENCE {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let how = if total.is_some() { "{msg} {wide_bar} {percent}% {eta}" } else { "{spinner} {msg} {human_pos}" };
            let style = ProgressStyle::with_template(how);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(self.doing)
        });
        bar.set_position(done);
    }

    fn cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}
