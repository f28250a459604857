//! What an operator's shell does with ipvsadm, by the original and by weir: pipes,
//! closed and full outputs, huge tables, slow input, the companion commands.
//!
//! Each script runs twice, in a fresh namespace each, and must say and leave the same.

use std::path::{Path, PathBuf};

use weir_tests::{
    fixture, guest, links,
    namespace::{self, scratch},
    program::{Invocation, Outcome},
    text,
};

/// The commands that weir stands in for.
const COMMANDS: [&str; 3] =
    ["/usr/sbin/ipvsadm", "/usr/sbin/ipvsadm-save", "/usr/sbin/ipvsadm-restore"];

/// A shell function that prints so many rules, a real server for each service.
const RULES: &str = r#"
rules() {
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) {
        s = "-t 10." int(i / 65536) "." int(i / 256) % 256 "." i % 256 ":80"
        print "-A " s " -s rr"
        print "-a " s " -r 192.0.2.9:80 -m -w " i
    } }'
}
"#;

/// Shows the table, whoever prints it.
const SHOW: &str =
    "\nipvsadm -Sn; ipvsadm -Ln --thresholds; ipvsadm -L --timeout; ipvsadm -L --daemon";

#[test]
fn a_saved_table_is_restored_through_a_pipe() {
    check(
        "rules 20 | ipvsadm -R
        ipvsadm -A -f 7 -6 -p 90 -M 64; ipvsadm -a -f 7 -6 -r 2001:db8::9 -i --tun-type gue --tun-port 6080
        ipvsadm -A -u 10.0.0.1:domain -o -s sh -b sh-port; ipvsadm -a -u vip.test:53 -r rs1.test:53 -m
        ipvsadm -Sn | tee /tmp/rules | md5sum; ipvsadm -S
        ipvsadm -C; ipvsadm -Ln; ipvsadm -R </tmp/rules; echo $?
        ipvsadm -Sn | cmp - /tmp/rules && ipvsadm -Sn | ipvsadm -R; echo ${PIPESTATUS[@]}",
    );
}

#[test]
fn closed_and_full_streams_give_the_same_status() {
    check(
        "rules 3 | ipvsadm -R
        for command in -Ln -L -Sn -h -v '-L --timeout' '-Lcn' '-Ln --stats'; do
            ipvsadm $command >&-; echo \"$command closed: $?\"
            ipvsadm $command >/dev/full; echo \"$command full: $?\"
            ipvsadm $command 2>&- | cksum; echo \"$command without stderr: $?\"
            ipvsadm $command <&- | cksum; echo \"$command without stdin: ${PIPESTATUS[0]}\"
        done
        ipvsadm -D -t 9.9.9.9:9 2>&-; echo $?; ipvsadm -D -t 9.9.9.9:9 2>/dev/full; echo $?
        ipvsadm --foo >&- 2>&- <&-; echo $?",
    );
}

#[test]
fn restoring_from_nothing_gives_the_same_status() {
    check("ipvsadm -R <&-; echo $?; ipvsadm -R </; echo $?; ipvsadm -R </dev/null; echo $?");
}

#[test]
fn a_reader_that_leaves_ends_the_listing() {
    check(
        "rules 2500 | ipvsadm -R
        for command in -Ln -Sn '-Ln --stats'; do
            ipvsadm $command | head -n 1; echo ${PIPESTATUS[@]}
            ipvsadm $command | true; echo ${PIPESTATUS[@]}
        done
        (trap '' PIPE; ipvsadm -Sn | head -n 1; echo ${PIPESTATUS[@]})",
    );
}

#[test]
fn ten_thousand_services_are_restored_listed_and_saved() {
    check(
        "rules 10000 | ipvsadm -R; echo $?
        ipvsadm -Ln | md5sum; ipvsadm -Sn | md5sum; ipvsadm -Ln -t 10.0.39.15:80
        ipvsadm -C; ipvsadm -Sn",
    );
}

#[test]
fn a_restore_edits_and_is_refused_line_by_line() {
    check(
        "rules 500 | ipvsadm -R; ipvsadm -Sn >/tmp/rules
        sed 's/^-A/-E/; s/^-a/-e/; s/-s rr/-s wlc/; s/-w .*/-w 7/' /tmp/rules | ipvsadm -R; echo $?
        rules 700 | ipvsadm -R 2>&1 | sort | uniq -c
        { rules 3; echo '-D -t 9.9.9.9:9'; } | ipvsadm -R; echo $?",
    );
}

#[test]
fn a_slow_writer_sees_each_line_take_effect() {
    check(
        "{
            echo '-A -t 10.0.0.1:80'
            for i in $(seq 100); do grep -q 0A000001:0050 /proc/net/ip_vs && break; sleep 0.05; done
            grep -c 0A000001:0050 /proc/net/ip_vs >&2
            printf '%s' '-A -t 10.0.0.2:80 '; sleep 0.1; echo '-s rr'; echo '-D -t 10.0.0.1:80'
        } | ipvsadm -R; echo $?",
    );
}

#[test]
fn save_and_restore_have_commands_of_their_own() {
    check(
        "rules 3 | ipvsadm -R
        ipvsadm-save; ipvsadm-save -n | tee /tmp/rules; ipvsadm-save -x; echo $?; ipvsadm-save foo; echo $?
        ipvsadm -A -u 10.0.0.1:53
        { echo '# a comment'; cat /tmp/rules; echo '#-C'; } | ipvsadm-restore; echo $?
        ipvsadm-restore </dev/null; echo $?; ipvsadm -Ln; echo '-A bad' | ipvsadm-restore; echo $?
        ipvsadm-save -n >/dev/full; ipvsadm-restore -n </tmp/rules; echo $?",
    );
}

#[test]
fn a_day_of_draining_and_replacing() {
    check(
        "ipvsadm -A -t 10.0.0.1:http -s wrr -p; ipvsadm -a -t vip.test:http -r rs1.test:http -m -w 100
        ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3:8080 -m -w 100 -x 1000 -y 800
        ipvsadm -e -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 0; ipvsadm -L; ipvsadm -L --persistent-conn
        ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.2:80; ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.9 -i; ipvsadm -Ln --tun-info
        ipvsadm --set 600 60 30; ipvsadm --start-daemon master --mcast-interface eth0 --syncid 3
        ipvsadm -Z; ipvsadm -Z -t 10.0.0.1:80; ipvsadm -E -t 10.0.0.1:80 -s lc; echo $?
        ipvsadm -D -t 10.0.0.1:81; echo $?;
        LC_ALL=de_DE.UTF-8 ipvsadm -a -t 10.0.0.1:80 -r 224.0.0.1; echo $?",
    );
}

#[test]
fn weir_ipvsadm_is_ipvsadm() {
    let _alone = guest::alone();
    guest::load_modules();
    let weir = guest::weir();
    for args in ["-A -t 10.0.0.1:80 && ipvsadm -Ln", "--foo", "-h", "-L --foo"] {
        let expected = run(&format!("ipvsadm {args}"), None);
        let actual =
            run(&format!("ipvsadm() {{ ours ipvsadm \"$@\"; }}; ipvsadm {args}"), Some(&weir));
        assert!(expected == actual, "weir ipvsadm {args}:\n{actual}instead of\n{expected}");
    }
}

fn check(script: &str) {
    let _alone = guest::alone();
    guest::load_modules();
    let script = format!("{RULES}{script}{SHOW}");
    let expected = run(&script, None);
    let actual = run(&script, Some(&guest::ipvsadm()));
    assert!(
        expected == actual,
        "the original (-) and ours (+) differ:\n{}",
        text::diff(&expected.to_string(), &actual.to_string())
    );
}

/// Runs the script in fresh namespaces, with `ours` in place of the original's commands.
fn run(script: &str, ours: Option<&Path>) -> Outcome {
    namespace::on_thread(|| {
        let mut places = vec![fixture::place("ours")];
        // A stand-in for weir has one name only.
        let names = if guest::stands_in() { &COMMANDS[..1] } else { &COMMANDS[..] };
        places.extend(names.iter().map(PathBuf::from));
        let programs: Vec<_> =
            ours.into_iter().flat_map(|ours| places.iter().map(move |it| (&**it, ours))).collect();
        fixture::lay_out(&scratch("operator"), &programs);
        namespace::fresh_network();
        links::set_up().expect("a fresh namespace takes links");
        let mut bash = Invocation::new("/bin/bash");
        bash.args = vec!["-c".into(), script.into()];
        bash.run()
    })
}
