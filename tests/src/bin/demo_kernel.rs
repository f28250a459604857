//! The policy engine at work on a real kernel: `cargo xtask demo --kernel` runs this, as
//! root, in a guest kernel or beside the table of the machine, which it does not touch.
//!
//! Three HTTP servers behind a masquerading service, a client that keeps connecting, and
//! `weir run` in between. Every step is checked, and the exit status says whether all held.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

use weir_tests::{
    engine::{BOUND, Engine, PATIENCE, WEIGHTS, configuration, wait_for, weights},
    lab::{Lab, VIP},
    namespace::on_thread,
    narrator::{Narrator, now, say},
};

fn main() -> ExitCode {
    let Some(weir) = env::args_os().nth(1).map(PathBuf::from) else {
        say("usage: demo_kernel WEIR, the path of the program");
        return ExitCode::from(2);
    };
    let failed = on_thread(|| {
        weir_tests::namespace::fresh_network();
        Demo::new(weir).play()
    });
    ExitCode::from(u8::from(failed > 0))
}

struct Demo {
    weir: PathBuf,
    config: PathBuf,
    lab: Lab,
    narrator: Narrator,
}

impl Demo {
    fn new(weir: PathBuf) -> Self {
        let config = env::temp_dir().join(format!("weir-demo-{}.toml", std::process::id()));
        Self { weir, config, lab: Lab::set_up(3), narrator: Narrator::default() }
    }

    /// Plays all of it; the number of checks that failed.
    fn play(mut self) -> usize {
        fs::write(&self.config, configuration()).expect("the temporary directory is writable");
        self.narrator
            .step("Three real servers start; the table of this network namespace is empty.");
        let one = self.lab.start_server(1);
        let two = self.lab.start_server(2);
        let three = self.lab.start_server(3);

        self.narrator.step("weir run begins, with this configuration:");
        say(configuration().trim_end());
        let mut engine = self.start();
        let ready = wait_for(PATIENCE, || weights() == WEIGHTS.map(Some));
        self.narrator.check("every real server is in the kernel's table with its weight", ready);
        self.list();
        self.share("under wrr each gets its share", &[1, 2, 3]);

        self.narrator.step("Real server 2 crashes.");
        let crash = now();
        two.kill();
        let drained = wait_for(PATIENCE, || weights()[1] == Some(0));
        let took = crash.elapsed();
        self.narrator.check("its weight becomes 0", drained);
        self.narrator
            .check(&format!("that took {took:.1?}, and may take {BOUND:.1?}"), took <= BOUND);
        self.list();
        self.share("no new connection reaches it, and none fails", &[1, 3]);

        self.narrator.step("Real server 2 returns.");
        let two = self.lab.start_server(2);
        let restored = wait_for(PATIENCE, || weights() == WEIGHTS.map(Some));
        self.narrator.check("it has its weight again", restored);
        self.list();
        self.share("it gets its share again", &[1, 2, 3]);

        self.narrator.step("weir is killed with SIGKILL: the kernel goes on alone.");
        engine.kill();
        self.narrator.check("the table is as it was", weights() == WEIGHTS.map(Some));
        self.share("traffic goes on", &[1, 2, 3]);

        self.narrator.step("weir starts again, and finds the table as it should be.");
        let engine = self.start();
        self.narrator.check("the table is as it was", weights() == WEIGHTS.map(Some));
        drop((engine, one, two, three));
        let _ = fs::remove_file(&self.config);
        self.narrator.summary(VIP)
    }

    fn start(&mut self) -> Engine {
        let engine =
            Engine::start(&self.weir, &self.config, |line| say(&format!("   weir | {line}")));
        let ready = engine.wait_for_line(PATIENCE, |line| line.contains(" ready "));
        if !ready {
            self.narrator.check("weir is ready", false);
        }
        engine
    }

    /// Makes 60 connections and shows who answered.
    fn share(&mut self, text: &str, expected: &[u8]) {
        let mut answers = [0; 4];
        for _ in 0..60 {
            let answer = self.lab.request().map_or(0, usize::from);
            answers[answer.min(3)] += 1;
        }
        let [failed, counts @ ..] = answers;
        let mut line = format!("{text}: of 60 connections");
        for (number, count) in (1..).zip(counts) {
            let _ = write!(line, ", {count} to server {number}");
        }
        let _ = write!(line, ", {failed} failed");
        let total: u32 = expected.iter().map(|&number| WEIGHTS[usize::from(number) - 1]).sum();
        let fair = (1..).zip(counts).all(|(number, count)| {
            let weight =
                if expected.contains(&number) { WEIGHTS[usize::from(number) - 1] } else { 0 };
            count == 60 * weight / total
        });
        self.narrator.check(&line, failed == 0 && fair);
    }

    fn list(&self) {
        say("          $ ipvsadm -Ln");
        let output = Command::new(&self.weir).args(["ipvsadm", "-Ln"]).output();
        let output = output.expect("weir can be started");
        let text = [output.stdout, output.stderr].concat();
        for line in String::from_utf8_lossy(&text).lines() {
            say(&format!("          {line}"));
        }
    }
}
