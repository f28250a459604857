//! Refuses changes that leave a service with no real server to spare.

const std = @import("std");
const weir = @import("weir");

/// Real servers that carry the load of a service.
const Settings = struct { needed: usize = 1 };

fn judge(review: *const weir.Review) weir.Verdict {
    var room: [4096]u8 = undefined;
    var allocator = std.heap.FixedBufferAllocator.init(&room);
    const settings = std.json.parseFromSliceLeaky(Settings, allocator.allocator(), weir.settings(), .{}) catch
        return weir.deny("config: expected needed, a number");
    for (weir.outcome(review)) |*service| {
        var before: usize = 0;
        weir.eachNow(service, &before, count);
        var after: usize = 0;
        for (weir.planned(service)) |it| after += @intFromBool(it.weight > 0);
        if (after < before and after <= settings.needed) {
            var why: [96]u8 = undefined;
            const words = .{ after, settings.needed + 1 };
            return weir.deny(std.fmt.bufPrint(&why, "{d} real servers would be left, and {d} are wanted", words) catch unreachable);
        }
    }
    return weir.allow();
}

fn count(server: *const weir.RealServer, serving: *usize) void {
    serving.* += @intFromBool(server.config.weight > 0);
}

comptime {
    weir.guard(judge);
}
