//! A server says by HTTP how it is: what it answers decides whether it gets connections, or fewer.

const std = @import("std");
const weir = @import("weir");

/// What is asked for.
const Settings = struct { path: []const u8 = "/ready" };

fn check(target: *const weir.Target) weir.Error!weir.Outcome {
    var room: [4096]u8 = undefined;
    var allocator = std.heap.FixedBufferAllocator.init(&room);
    const settings = std.json.parseFromSliceLeaky(Settings, allocator.allocator(), weir.settings(target), .{}) catch
        return weir.invalid("config: expected path, a text");
    const answer = try weir.get(settings.path);
    switch (answer.status) {
        200...299 => return weir.up(),
        429 => return weir.degraded(50, "it says that it is busy"),
        else => {
            var why: [16]u8 = undefined;
            return weir.down(std.fmt.bufPrint(&why, "status {d}", .{answer.status}) catch unreachable);
        },
    }
}

comptime {
    weir.checker(check);
}
