//! When a real server counts as overloaded.
//!
//! Overload is a flag, which a connection that comes or goes and an edit may change; what
//! schedulers look at is the flag, not the counts. The generations of kernels differ.

use crate::{generation::Generation, server::Server};

impl Generation {
    /// A connection or template was bound to the server, and is counted.
    pub(crate) fn bound(self, server: &mut Server, template: bool) {
        let (upper, connections) = (server.config.upper_threshold, server.connections());
        server.overloaded |= match self {
            Self::Older => upper != 0 && connections >= upper,
            Self::Newer => !template && connections == upper,
        };
    }

    /// A connection or template was unbound from the server, and is no longer counted.
    pub(crate) fn unbound(self, server: &mut Server, template: bool) {
        let (upper, lower) = (server.config.upper_threshold, server.config.lower_threshold);
        let connections = server.connections();
        let relieved = match self {
            Self::Older if lower != 0 => connections < lower,
            // Without an upper threshold the products below would keep the flag.
            Self::Older if upper == 0 => true,
            Self::Older => connections.wrapping_mul(4) < upper.wrapping_mul(3),
            Self::Newer => {
                !template
                    && connections.wrapping_add(1) == relief(upper, lower)
                    && connections < upper
            }
        };
        server.overloaded &= !relieved;
    }

    /// The server gets these thresholds.
    pub(crate) fn set_thresholds(self, server: &mut Server, upper: u32, lower: u32) {
        let old = (server.config.upper_threshold, server.config.lower_threshold);
        let connections = server.connections();
        match self {
            Self::Older if upper == 0 || upper > old.0 => server.overloaded = false,
            Self::Newer if (upper, lower) == old => {}
            Self::Newer if upper == 0 => server.overloaded = false,
            Self::Newer if connections >= upper => server.overloaded = true,
            Self::Newer if connections < relief(upper, lower) => server.overloaded = false,
            Self::Older | Self::Newer => {}
        }
        server.config.upper_threshold = upper;
        server.config.lower_threshold = lower;
    }
}

/// Below how many connections the newer generation takes new ones again.
fn relief(upper: u32, lower: u32) -> u32 {
    if lower == 0 { upper - upper / 4 } else { lower }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Forwarding, RealServer};

    use super::*;
    use crate::service::ServiceId;

    /// Walks a server through steps: `+` and `-` a connection, `u=N` and `u=N,l=N` an edit.
    /// The result has a letter for each step, `o` for overloaded.
    fn walk(generation: Generation, steps: &str) -> String {
        let config = RealServer::new("10.0.0.1:80".parse().unwrap(), Forwarding::Masquerade, 1);
        let mut server = Server::new(config, ServiceId::NONE);
        let mut shown = String::new();
        for step in steps.split(' ') {
            match step {
                "+" => {
                    server.inactive += 1;
                    generation.bound(&mut server, false);
                }
                "-" => {
                    server.inactive -= 1;
                    generation.unbound(&mut server, false);
                }
                "+t" => generation.bound(&mut server, true),
                "-t" => generation.unbound(&mut server, true),
                edit => {
                    let (upper, lower) = edit.split_once(",l=").unwrap_or((edit, "0"));
                    let upper = upper.strip_prefix("u=").unwrap().parse().unwrap();
                    generation.set_thresholds(&mut server, upper, lower.parse().unwrap());
                }
            }
            shown.push(if server.overloaded { 'o' } else { '.' });
        }
        shown
    }

    #[test]
    fn older_kernels_relieve_below_three_quarters() {
        // 4 times 3 is not less than 3 times 4: two have to go.
        assert_eq!(walk(Generation::Older, "u=4 + + + + - -"), "....oo.");
        assert_eq!(walk(Generation::Older, "u=4,l=2 + + + + - - -"), "....ooo.");
    }

    #[test]
    fn older_kernels_never_overload_by_an_edit() {
        assert_eq!(walk(Generation::Older, "u=9 + + + + u=2 +"), ".....".to_owned() + ".o");
        // Raised, though still below the count: exactly one more gets in.
        assert_eq!(walk(Generation::Older, "u=2 + + u=1 u=2 +"), "..oo.o");
        assert_eq!(walk(Generation::Older, "u=2 + + u=0"), "..o.");
    }

    #[test]
    fn older_kernels_look_when_templates_come_and_go() {
        assert_eq!(walk(Generation::Older, "u=2 + + u=3 u=2 +t"), "..o..o");
        assert_eq!(walk(Generation::Older, "u=1 + u=1,l=1 -t"), ".ooo");
    }

    #[test]
    fn newer_kernels_follow_an_edit_at_once() {
        assert_eq!(walk(Generation::Newer, "+ + + + u=2"), "....o");
        assert_eq!(walk(Generation::Newer, "+ + + + u=3"), "....o");
        // 5 - 5/4 is 4: unchanged. 6 - 6/4 is 5: relieved, and two more get in.
        assert_eq!(walk(Generation::Newer, "u=4 + + + + u=5 u=6 + +"), "....oo..o");
        assert_eq!(walk(Generation::Newer, "+ u=1 u=2 +"), ".o.o");
    }

    #[test]
    fn newer_kernels_look_at_exact_crossings() {
        assert_eq!(walk(Generation::Newer, "u=4 + + + + - -"), "....oo.");
        assert_eq!(walk(Generation::Newer, "u=4,l=2 + + + + - - -"), "....ooo.");
        // Templates do not count, and an edit to the same changes nothing.
        assert_eq!(walk(Generation::Newer, "u=1 +t + -t u=1 -"), "..ooo.");
    }
}
