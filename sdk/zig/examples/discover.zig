//! Serves what a registry lists: services and their real servers, asked for by HTTP again and again.
//!
//! A registry that does not answer, or answers something else, changes nothing; nor does one that
//! lists nothing at all, for that is more likely its mistake than its wish.

const std = @import("std");
const weir = @import("weir");

const Settings = struct {
    /// What is asked for, within `grant.http`.
    url: []const u8,
    /// Seconds between two questions.
    every_s: u64 = 10,
    /// The name in `grant.secrets` of the token that is sent as `Authorization: Bearer`.
    secret: ?[]const u8 = null,
};

/// A service as the registry lists it.
const Listed = struct {
    name: []const u8,
    address: []const u8,
    udp: bool = false,
    scheduler: []const u8 = "wlc",
    servers: []const struct { address: []const u8, weight: u32 = 1 },
};

var settings: Settings = undefined;

pub fn init(config: []const u8) !void {
    settings = std.json.parseFromSliceLeaky(Settings, std.heap.c_allocator, config, .{ .allocate = .alloc_always }) catch
        return weir.fail("config: expected url, and every_s and secret where they are wanted");
    weir.every(settings.every_s *| 1000);
}

pub fn stats(_: u64) !void {
    var token: [1]weir.Header = undefined;
    var headers: []const weir.Header = &.{};
    if (settings.secret) |it| {
        token = .{weir.secret("authorization", "Bearer ", it)};
        headers = &token;
    }
    weir.ask(.{ .tag = "services", .url = settings.url, .headers = headers }) catch |failed| switch (failed) {
        // Those before are not answered yet.
        error.Busy => {},
        else => return failed,
    };
}

pub fn answered(answer: *const weir.Answer) !void {
    var arena = std.heap.ArenaAllocator.init(std.heap.c_allocator);
    defer arena.deinit();
    const response = weir.responded(answer) orelse return refuse(weir.why(answer));
    var room: [16]u8 = undefined;
    if (response.status != 200) return refuse(std.fmt.bufPrint(&room, "status {d}", .{response.status}) catch unreachable);
    const services = listed(arena.allocator(), weir.body(response)) catch |failed| {
        const why = if (failed == error.Failed) weir.failure() else @errorName(failed);
        var longer: [512]u8 = undefined;
        return refuse(std.fmt.bufPrint(&longer, "its answer: {s}", .{why}) catch why);
    };
    if (services.len == 0) return refuse("it lists no service");
    serve(services);
}

fn refuse(why: []const u8) void {
    var room: [1024]u8 = undefined;
    weir.log(.warn, std.fmt.bufPrint(&room, "{s}: {s}; nothing changes", .{ settings.url, why }) catch why);
}

fn listed(allocator: std.mem.Allocator, text: []const u8) ![]weir.Service {
    const list = try std.json.parseFromSliceLeaky([]const Listed, allocator, text, .{ .ignore_unknown_fields = true });
    const services = try allocator.alloc(weir.Service, list.len);
    for (list, services) |it, *service| {
        const servers = try allocator.alloc(weir.RealServerConfig, it.servers.len);
        for (it.servers, servers) |from, *to| to.* = try weir.realServer(from.address, from.weight);
        const key = try weir.vip(if (it.udp) .udp else .tcp, it.address);
        service.* = weir.service(it.name, key, it.scheduler, servers);
    }
    return services;
}

/// One service that cannot be is no reason to leave the others.
fn serve(services: []weir.Service) void {
    for (services) |*it| weir.ensure(it) catch weir.log(.@"error", weir.failure());
    const held = weir.owned();
    defer weir.free(held);
    for (held) |*it| {
        if (!has(services, &it.config.key)) weir.giveUp(&it.config.key);
    }
}

fn has(services: []weir.Service, key: *const weir.ServiceKey) bool {
    for (services) |*it| {
        if (weir.isSame(&it.config.key, key)) return true;
    }
    return false;
}

comptime {
    weir.policy(@This());
}
