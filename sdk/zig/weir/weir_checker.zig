//! Checkers in Zig: a server comes in, what it is found to be goes out.
//!
//! `comptime { weir.checker(check); }` makes one of a function. Beneath is the SDK for C, which
//! is `c` here. What is answered lives as long as the check, which has its instance to itself.

/// The whole world, as the bindings for C have it.
pub const c = @import("c");

/// What is to be checked: `server` (`address`, `port`), `settings`, `timeout` (milliseconds).
pub const Target = c.weir_target_t;
/// What one check found.
pub const Outcome = c.weir_outcome_t;
/// `status`, `headers` (`f0` in small letters, and the bytes `f1`), `body`.
pub const Response = c.weir_response_t;
/// A name and its value, by `header`.
pub const Header = c.weir_header_t;
/// That a question has no answer; `why` says more.
pub const Error = error{Unreached};

/// Why there is no answer.
pub const Why = enum(u8) { refused, @"unreachable", timeout, broken, protocol, local, invalid };

/// How grave a line of the log is.
pub const Level = enum(u8) { trace, debug, info, warn, @"error" };

/// Makes the component's export from a function. A question without an answer that it returns,
/// by `try`, is what it found.
pub fn checker(comptime check: fn (target: *const Target) Error!Outcome) void {
    const exported = struct {
        fn call(target: [*c]const Target) callconv(.c) Outcome {
            return check(target) catch c.weir_unreached();
        }
        const function: c.weir_check_t = &call;
    };
    @export(&exported.function, .{ .name = "weir_checker" });
}

/// The settings of the plugin and the check, JSON text of an object.
pub fn settings(target: *const Target) []const u8 {
    return slice(target.settings);
}

/// It does what it should.
pub fn up() Outcome {
    return c.weir_up();
}

/// It does, and should get this percentage of its weight, 1 to 99.
pub fn degraded(percent: u32, reason: []const u8) Outcome {
    return c.weir_degraded(percent, text(reason));
}

/// It does not.
pub fn down(reason: []const u8) Outcome {
    return c.weir_down(text(reason));
}

/// The check cannot tell: counts as nothing, and people are told.
pub fn inconclusive(reason: []const u8) Outcome {
    return c.weir_inconclusive(text(reason));
}

/// It cannot be asked what the settings say.
pub fn invalid(reason: []const u8) Outcome {
    return c.weir_invalid(text(reason));
}

/// Why the last question has no answer.
pub fn why() Why {
    return @enumFromInt(c.weir_error().*.tag);
}

/// One request by HTTP/1.1.
pub const Request = struct {
    method: []const u8 = "GET",
    /// With the query.
    path: []const u8,
    headers: []const Header = &.{},
    body: []const u8 = "",
};

/// Asks for `path` by HTTP. Any status is an answer.
pub fn get(path: []const u8) Error!Response {
    return http(.{ .path = path });
}

/// Asks by HTTP.
pub fn http(request: Request) Error!Response {
    const passed: c.weir_request_t = .{
        .method = text(request.method),
        .path = text(request.path),
        .headers = .{ .ptr = @constCast(request.headers.ptr), .len = request.headers.len },
        .body = bytes(request.body),
    };
    var answer: Response = undefined;
    try answered(c.weir_http(&passed, &answer));
    return answer;
}

/// A header of a request.
pub fn header(name: []const u8, value: []const u8) Header {
    return .{ .f0 = text(name), .f1 = text(value) };
}

/// The body of an answer, 64 KiB of it at most.
pub fn body(answer: *const Response) []const u8 {
    return slice(answer.body);
}

/// Sends one datagram by UDP, and waits for one.
pub fn exchange(datagram: []const u8) Error![]const u8 {
    var answer: c.weir_bytes_t = undefined;
    try answered(c.weir_exchange(datagram.ptr, datagram.len, &answer));
    return slice(answer);
}

/// A connection by TCP.
pub const Connection = struct {
    c: c.weir_connection_t,

    /// Connects, and shakes hands where the check says `tls`.
    pub fn connect() Error!Connection {
        var it: c.weir_connection_t = undefined;
        try answered(c.weir_connect(&it));
        return .{ .c = it };
    }

    /// Sends all of it.
    pub fn write(self: Connection, sent: []const u8) Error!void {
        return answered(c.weir_write(self.c, sent.ptr, sent.len));
    }

    /// What is there, or comes: at most `max` bytes, and at most 64 KiB. Empty = the end.
    pub fn read(self: Connection, max: u32) Error![]const u8 {
        var heard: c.weir_bytes_t = undefined;
        try answered(c.weir_read(self.c, max, &heard));
        return slice(heard);
    }

    /// Ends it, with a reset. So does the end of the check.
    pub fn close(self: Connection) void {
        c.weir_close(self.c);
    }
};

/// Writes a line to the log.
pub fn log(level: Level, message: []const u8) void {
    c.weir_log(@intFromEnum(level), text(message));
}

fn answered(is_good: bool) Error!void {
    if (!is_good) return error.Unreached;
}

fn text(it: []const u8) c.weir_text_t {
    return .{ .ptr = @constCast(it.ptr), .len = it.len };
}

fn bytes(it: []const u8) c.weir_bytes_t {
    return .{ .ptr = @constCast(it.ptr), .len = it.len };
}

fn slice(it: anytype) []const u8 {
    return it.ptr[0..it.len];
}
