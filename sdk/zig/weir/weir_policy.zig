//! Policies in Zig: what happened comes in, what weights should be goes out.
//!
//! `comptime { weir.policy(@This()); }` makes a policy of a file's public functions: `init`,
//! `started`, `health` and `stopping`, any of which may be missing. What a function says
//! through `drain`, `scale`, `floor`, `cap` and `clear` takes place if it returns, and not at
//! all if it returns an error or traps. Beneath is the SDK for C, which is `c` here.

/// The whole world, as the bindings for C have it.
pub const c = @import("c");

/// A real server: its service, and its own address and port.
pub const Server = c.weir_server_t;
/// A real server as the kernel has it: `config`, `active`, `inactive`, `stats`.
pub const RealServer = c.weir_real_server_t;
/// Of each function of a policy: the host said no, or the policy itself, by `fail`.
pub const Error = error{Failed};

/// Health of a real server, after rise and fall counting by the host.
pub const Health = enum(u8) { unknown, up, down };

/// How grave a line of the log is.
pub const Level = enum(u8) { trace, debug, info, warn, @"error" };

/// A real server changed health.
pub const HealthChange = struct {
    server: *const Server,
    /// What the check saw, for people.
    detail: []const u8,
    before: Health,
    after: Health,
    /// Milliseconds it had been in `before`.
    lasted: u64,
};

/// Makes the component's exports from the public functions of `Policy`:
///
///     pub fn init(config: []const u8) Error!void    // JSON text of an object
///     pub fn started() Error!void                   // left out: health, of each known one
///     pub fn health(change: HealthChange) Error!void
///     pub fn stopping() Error!void
pub fn policy(comptime Policy: type) void {
    const exported = struct {
        fn init(config: c.weir_text_t) callconv(.c) bool {
            return succeeds(Policy.init(slice(config)));
        }
        fn started() callconv(.c) bool {
            return succeeds(Policy.started());
        }
        fn health(change: [*c]const c.weir_health_change_t) callconv(.c) bool {
            return succeeds(Policy.health(.{
                .server = &change.*.server,
                .detail = slice(change.*.detail),
                .before = @enumFromInt(change.*.before),
                .after = @enumFromInt(change.*.after),
                .lasted = change.*.lasted,
            }));
        }
        fn stopping() callconv(.c) bool {
            return succeeds(Policy.stopping());
        }
        const table: c.weir_policy_t = .{
            .init = if (@hasDecl(Policy, "init")) &init else null,
            .started = if (@hasDecl(Policy, "started")) &started else null,
            .health = if (@hasDecl(Policy, "health")) &health else null,
            .stopping = if (@hasDecl(Policy, "stopping")) &stopping else null,
        };
    };
    @export(&exported.table, .{ .name = "weir_policy" });
}

/// No new connections for this real server until `clear`, whatever others say.
pub fn drain(server: *const Server, reason: []const u8) Error!void {
    return check(c.weir_drain(server, text(reason)));
}

/// Multiplies the base weight, in thousandths, 1 or more. A number outside the grant's range
/// is bounded by it.
pub fn scale(server: *const Server, thousandths: u32, reason: []const u8) Error!void {
    return check(c.weir_scale(server, thousandths, text(reason)));
}

/// At least this weight; never lifts a drain.
pub fn floor(server: *const Server, weight: u32, reason: []const u8) Error!void {
    return check(c.weir_floor(server, weight, text(reason)));
}

/// At most this weight, 1 or more.
pub fn cap(server: *const Server, weight: u32, reason: []const u8) Error!void {
    return check(c.weir_cap(server, weight, text(reason)));
}

/// Takes back what this policy says of the real server.
pub fn clear(server: *const Server) void {
    _ = c.weir_clear(server);
}

/// Fails the call under way, with this for the operator.
pub fn fail(message: []const u8) Error {
    _ = c.weir_fail(text(message));
    return error.Failed;
}

/// Writes a line to the log.
pub fn log(level: Level, message: []const u8) void {
    c.weir_log(@intFromEnum(level), text(message));
}

fn succeeds(result: Error!void) bool {
    result catch return false;
    return true;
}

fn check(is_good: bool) Error!void {
    if (!is_good) return error.Failed;
}

fn text(it: []const u8) c.weir_text_t {
    return .{ .ptr = @constCast(it.ptr), .len = it.len };
}

fn slice(it: c.weir_text_t) []const u8 {
    return it.ptr[0..it.len];
}
