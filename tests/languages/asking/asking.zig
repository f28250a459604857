//! Asks in every way that there is, and says what came of it.

const std = @import("std");
const weir = @import("weir");

fn check(target: *const weir.Target) weir.Error!weir.Outcome {
    const datagram = weir.exchange("pong") catch |unreached|
        return if (weir.why() == .timeout) weir.inconclusive("late") else unreached;
    const answer = try weir.http(.{
        .method = "POST",
        .path = "/a?b=1",
        .headers = &.{weir.header("x-probe", "weir")},
        .body = "ping",
    });
    const connection = try weir.Connection.connect();
    try connection.write("hello");
    const first = try connection.read(2);
    const second = try connection.read(64);
    const last = try connection.read(64);
    connection.close();
    const found = answer.headers.ptr[0];
    weir.log(.info, "asked");
    var room: [256]u8 = undefined;
    return weir.down(std.fmt.bufPrint(&room, "{d} {d}: {d} {s}={s} {s}; {s} {s} {d}; {s}", .{
        target.server.port,
        target.timeout,
        answer.status,
        found.f0.ptr[0..found.f0.len],
        found.f1.ptr[0..found.f1.len],
        weir.body(&answer),
        first,
        second,
        last.len,
        datagram,
    }) catch unreachable);
}

comptime {
    weir.checker(check);
}
