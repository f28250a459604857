//! Guards in Zig: a planned change comes in, a verdict goes out.
//!
//! `comptime { weir.guard(judge); }` makes one of a function. Beneath is the SDK for C, which
//! is `c` here.

/// The whole world, as the bindings for C have it.
pub const c = @import("c");

/// A change to be judged: `origin`, `reason`, `operations`, `outcome`.
pub const Review = c.weir_review_t;
/// A service as it would be: `config`, `real_servers`.
pub const PlannedService = c.weir_planned_service_t;
/// A real server as it would be: `server`, `weight`, ..
pub const PlannedServer = c.weir_ipvs_real_servers_real_server_config_t;
/// A real server as the kernel has it: `config`, `active`, `inactive`, `stats`.
pub const RealServer = c.weir_real_server_t;
/// What becomes of a change.
pub const Verdict = c.weir_verdict_t;

/// How grave a line of the log is.
pub const Level = enum(u8) { trace, debug, info, warn, @"error" };

/// Makes the component's export from a function.
pub fn guard(comptime judge: fn (review: *const Review) Verdict) void {
    const exported = struct {
        fn call(review: [*c]const Review) callconv(.c) Verdict {
            return judge(review);
        }
        const function: c.weir_judge_t = &call;
    };
    @export(&exported.function, .{ .name = "weir_guard" });
}

/// Every service that a change touches and that will exist afterwards.
pub fn outcome(review: *const Review) []const PlannedService {
    return review.outcome.ptr[0..review.outcome.len];
}

/// Its real servers, as they would be.
pub fn planned(service: *const PlannedService) []const PlannedServer {
    return service.real_servers.ptr[0..service.real_servers.len];
}

/// Calls `each` for every real server that the service has now, with `context`; none if the
/// grant does not show it.
pub fn eachNow(
    service: *const PlannedService,
    context: anytype,
    comptime each: fn (server: *const RealServer, context: @TypeOf(context)) void,
) void {
    const Context = @TypeOf(context);
    const passed = struct {
        fn call(server: [*c]const RealServer, it: ?*anyopaque) callconv(.c) void {
            each(server, @as(Context, @ptrCast(@alignCast(it))));
        }
    };
    c.weir_each_now(&service.config.key, &passed.call, @ptrCast(context));
}

/// It goes on.
pub fn allow() Verdict {
    return c.weir_allow();
}

/// It goes on, and people are told.
pub fn warn(message: []const u8) Verdict {
    return c.weir_warn(text(message));
}

/// Nothing of it is done, and whoever wanted it is told why.
pub fn deny(message: []const u8) Verdict {
    return c.weir_deny(text(message));
}

/// The plugin's settings, JSON text of an object, which live as long as the call.
pub fn settings() []const u8 {
    const it = c.weir_settings();
    return it.ptr[0..it.len];
}

/// Writes a line to the log.
pub fn log(level: Level, message: []const u8) void {
    c.weir_log(@intFromEnum(level), text(message));
}

fn text(it: []const u8) c.weir_text_t {
    return .{ .ptr = @constCast(it.ptr), .len = it.len };
}
