//! Weighers in Zig: what a service does comes in, scales of its weights go out.
//!
//! `comptime { weir.weigher(weigh); }` makes one of a function. Beneath is the SDK for C,
//! which is `c` here.

/// The whole world, as the bindings for C have it.
pub const c = @import("c");

/// One service: `service`, `name`, `labels`, `settings` (JSON text of an object), `at`,
/// `period`, `candidates` and `memo`. Of a label, `f0` is the name and `f1` the value.
pub const Service = c.weir_service_t;
/// One of its real servers: `server` (`config`, `active`, `inactive`, `stats`), `labels`, `base`,
/// `unweighed` (the weight that it would have without this plugin), `health`, `latency`,
/// `delta`.
pub const Candidate = c.weir_candidate_t;
/// That a weigher failed, by `fail`.
pub const Error = error{Failed};

/// Health of a real server, after rise and fall counting by the host.
pub const Health = enum(u8) { unknown, up, down };

/// How grave a line of the log is.
pub const Level = enum(u8) { trace, debug, info, warn, @"error" };

/// Makes the component's export from a function: `scales` has a place for each candidate, in
/// thousandths of its base weight, 1 or more; each holds 1000, which is no effect. If it
/// fails, the scales before stay.
pub fn weigher(comptime weigh: fn (service: *const Service, scales: []u32) Error!void) void {
    const exported = struct {
        fn call(service: [*c]const Service, scales: [*c]u32) callconv(.c) bool {
            weigh(service, scales[0..service.*.candidates.len]) catch return false;
            return true;
        }
        const function: c.weir_weigh_t = &call;
    };
    @export(&exported.function, .{ .name = "weir_weigher" });
}

/// The real servers of a service, in the order of their addresses.
pub fn candidates(service: *const Service) []const Candidate {
    return service.candidates.ptr[0..service.candidates.len];
}

/// Has the next call for this service find these bytes as its `memo`, 64 KiB at most, or 256 bytes
/// for each candidate.
pub fn remember(bytes: []const u8) void {
    c.weir_remember(bytes.ptr, bytes.len);
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

fn text(it: []const u8) c.weir_text_t {
    return .{ .ptr = @constCast(it.ptr), .len = it.len };
}
