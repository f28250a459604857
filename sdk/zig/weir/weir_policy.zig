//! Policies in Zig: what happened comes in, what weights should be goes out.
//!
//! `comptime { weir.policy(@This()); }` makes a policy of a file's public functions: `init`,
//! `started`, `health`, `stats`, `answered` and `stopping`, any of which may be missing. What a
//! function says through `drain`, `scale`, `floor`, `cap` and `clear` takes place if it returns,
//! and not at all if it returns an error or traps. Beneath is the SDK for C, which is `c` here.
//!
//! One that calls `ask`, `ensure`, `giveUp` or `owned` is a controller.

/// The whole world, as the bindings for C have it.
pub const c = @import("c");

/// A real server: its service, and its own address and port.
pub const Server = c.weir_server_t;
/// A real server as the kernel has it: `config`, `active`, `inactive`, `stats`.
pub const RealServer = c.weir_real_server_t;
/// Of each function of a policy: the host said no, or the policy itself, by `fail`. `Busy` is of
/// `ask` alone: 8 requests are under way.
pub const Error = error{ Failed, Busy };

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
///     pub fn stats(elapsed: u64) Error!void         // as often as `every` says, milliseconds
///     pub fn answered(answer: *const Answer) Error!void
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
                .before = @fromBackingInt(@intCast(change.*.before)),
                .after = @fromBackingInt(@intCast(change.*.after)),
                .lasted = change.*.lasted,
            }));
        }
        fn stats(elapsed: u64) callconv(.c) bool {
            return succeeds(Policy.stats(elapsed));
        }
        fn answered(answer: [*c]const Answer) callconv(.c) bool {
            return succeeds(Policy.answered(answer));
        }
        fn stopping() callconv(.c) bool {
            return succeeds(Policy.stopping());
        }
        const table: c.weir_policy_t = .{
            .init = if (@hasDecl(Policy, "init")) &init else null,
            .started = if (@hasDecl(Policy, "started")) &started else null,
            .health = if (@hasDecl(Policy, "health")) &health else null,
            .stats = if (@hasDecl(Policy, "stats")) &stats else null,
            .answered = if (@hasDecl(Policy, "answered")) &answered else null,
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

/// The value of the real server's own label in the host's configuration; valid until this is called
/// again.
pub fn label(server: *const Server, name: []const u8) ?[]const u8 {
    const value = c.weir_label(server, text(name));
    return if (value.ptr == null) null else slice(value);
}

/// Milliseconds between two calls of `stats`, 1000 at least, from `init`; 5000 unless it is called.
pub fn every(milliseconds: u64) void {
    c.weir_every(milliseconds);
}

/// Fails the call under way, with this for the operator.
pub fn fail(message: []const u8) Error {
    _ = c.weir_fail(text(message));
    return error.Failed;
}

/// Writes a line to the log.
pub fn log(level: Level, message: []const u8) void {
    c.weir_log(@backingInt(level), text(message));
}

// What follows is for controllers.

/// What became of a request: its `tag`, and what `responded` says.
pub const Answer = c.weir_answer_t;
/// `status`, `headers` (`f0` in small letters, and the bytes `f1`), `body`.
pub const Response = c.weir_response_t;
/// A header of a request, by `header` or `secret`.
pub const Header = c.weir_header_t;
/// What identifies a service.
pub const ServiceKey = c.weir_service_key_t;
/// A service as it should be: `name`, `config`, `real_servers`.
pub const Service = c.weir_service_t;
/// A real server as it should be: `server`, `forwarding`, `weight` ..
pub const RealServerConfig = c.weir_real_server_config_t;
/// Protocols of services.
pub const Protocol = enum(u8) { tcp, udp, sctp };

/// What is asked by HTTP.
pub const Request = struct {
    /// What the answer is told with.
    tag: []const u8 = "",
    method: []const u8 = "GET",
    url: []const u8,
    headers: []const Header = &.{},
    body: []const u8 = "",
    /// Milliseconds that all of it may take, 60000 at most.
    timeout: u64 = 10_000,
};

/// Has the host ask this by HTTP; `answered` is told. Fails if the grant does not allow it, if it
/// is no request, or, with `Busy`, if 8 are under way.
pub fn ask(request: Request) Error!void {
    const passed: c.weir_request_t = .{
        .tag = text(request.tag),
        .method = text(request.method),
        .url = text(request.url),
        .headers = .{ .ptr = @constCast(request.headers.ptr), .len = request.headers.len },
        .body = .{ .ptr = @constCast(request.body.ptr), .len = request.body.len },
        .timeout = request.timeout,
    };
    if (!c.weir_ask(&passed)) return if (c.weir_is_busy()) error.Busy else error.Failed;
}

/// A header whose value is this text.
pub fn header(name: []const u8, value: []const u8) Header {
    return c.weir_header(text(name), text(value));
}

/// A header whose value is `prefix`, such as "Bearer ", and a secret, by its name in the grant.
pub fn secret(name: []const u8, prefix: []const u8, it: []const u8) Header {
    return c.weir_secret(text(name), text(prefix), text(it));
}

/// The response; none = there is no answer, and `why` says why. It lives as long as the call.
pub fn responded(answer: *const Answer) ?*const Response {
    return if (answer.outcome.is_err) null else &answer.outcome.val.ok;
}

/// Why there is no answer, for people.
pub fn why(answer: *const Answer) []const u8 {
    return slice(c.weir_why(&answer.outcome.val.err));
}

/// The body of a response, at most 1 MiB.
pub fn body(response: *const Response) []const u8 {
    return response.body.ptr[0..response.body.len];
}

/// Has the host make and keep this service, in the place of what this plugin owned with its key.
/// Fails if the grant does not allow it, if it is no service, or if it has another owner.
pub fn ensure(it: *const Service) Error!void {
    return check(c.weir_ensure(it));
}

/// Gives a service up: its real servers are drained, and then it goes.
pub fn giveUp(key: *const ServiceKey) void {
    _ = c.weir_give_up(key);
}

/// All that this plugin owns, in the order of the table: to be freed by `free`.
pub fn owned() []Service {
    var list: c.weir_services_t = undefined;
    c.weir_owned(&list);
    return list.ptr[0..list.len];
}

/// Frees what `owned` returned.
pub fn free(services: []Service) void {
    var list: c.weir_services_t = .{ .ptr = services.ptr, .len = services.len };
    c.weir_plugin_structure_list_owned_service_free(&list);
}

/// A service without persistence or flags. What is passed must live as long.
pub fn service(
    name: []const u8,
    key: ServiceKey,
    scheduler: []const u8,
    servers: []RealServerConfig,
) Service {
    var it = c.weir_service(text(name), &key, text(scheduler));
    it.real_servers = .{ .ptr = servers.ptr, .len = servers.len };
    return it;
}

/// What identifies the service of this protocol at "192.0.2.1:80" or "[2001:db8::1]:80".
pub fn vip(protocol: Protocol, address: []const u8) Error!ServiceKey {
    var key: ServiceKey = undefined;
    try check(c.weir_vip(@backingInt(protocol), text(address), &key));
    return key;
}

/// A real server by masquerading, without thresholds.
pub fn realServer(address: []const u8, weight: u32) Error!RealServerConfig {
    var it: RealServerConfig = undefined;
    try check(c.weir_real_server(text(address), weight, &it));
    return it;
}

/// Whether both identify the same service.
pub fn isSame(one: *const ServiceKey, other: *const ServiceKey) bool {
    return c.weir_is_same(one, other);
}

/// Why the call under way failed last, for people.
pub fn failure() []const u8 {
    return slice(c.weir_failure());
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
