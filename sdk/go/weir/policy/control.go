package policy

import (
	"errors"
	"fmt"
	"net/netip"

	"weir/imports/weir_host_http"
	"weir/imports/weir_host_http_messages"
	"weir/imports/weir_ipvs_addresses"
	"weir/imports/weir_ipvs_real_servers"
	"weir/imports/weir_ipvs_services"
	"weir/imports/weir_plugin_structure"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// What follows is for controllers: a policy that calls Ask, Ensure, GiveUp or Owned is one.

// Request is what is asked by HTTP: Tag, Method, URL, Headers, Body and Timeout, in milliseconds.
type Request = weir_host_http_messages.Request

// Response is an answer: Status, Headers, with names in small letters, and Body, at most 1 MiB.
type Response = weir_host_http_messages.Response

// Header is a name and its value, of a request.
type Header = types.Tuple2[string, weir_host_http_messages.HeaderValue]

// ServiceKey is what identifies a service; two can be compared.
type ServiceKey = weir_ipvs_services.ServiceKey

// OwnedService is a service as it should be: Name, Config, RealServers.
type OwnedService = weir_plugin_structure.OwnedService

// RealServerConfig is a real server as it should be: Server, Forwarding, Weight ..
type RealServerConfig = weir_ipvs_real_servers.RealServerConfig

// ErrBusy is that 8 requests are under way, which is as many as may be. What fails with it may
// be tried again.
var ErrBusy = errors.New("as many requests are under way as may be")

// Ask has the host ask by HTTP; OnAnswer is told, with the request's tag. It fails if the grant
// does not allow it, with the key that would, if it is no request, or with ErrBusy.
func Ask(request Request) error {
	sent := weir_host_http.Send(request)
	if sent.Tag() == types.ResultErr {
		return why(sent.Err())
	}
	return nil
}

// Get is a request by GET that may take 10 s.
func Get(tag, url string) Request {
	return Request{Tag: tag, Method: "GET", Url: url, Timeout: 10_000}
}

// Plain is a header whose value is this text.
func Plain(name, value string) Header {
	return Header{F0: name, F1: weir_host_http_messages.MakeHeaderValuePlain(value)}
}

// Secret is a header whose value is prefix, such as "Bearer ", and a secret, by its name in the
// grant.
func Secret(name, prefix, secret string) Header {
	value := weir_host_http_messages.Secret{Prefix: prefix, Name: secret}
	return Header{F0: name, F1: weir_host_http_messages.MakeHeaderValueSecret(value)}
}

// Ensure has the host make and keep this service, in the place of what this plugin owned with
// its key. It fails if the grant does not allow it, with the key that would, if it is no
// service, or if it has another owner.
func Ensure(service OwnedService) error {
	for _, it := range weir_plugin_structure.Ensure([]OwnedService{service}) {
		if it.Tag() == types.ResultErr {
			return refused(it.Err())
		}
	}
	return nil
}

// GiveUp gives a service up: its real servers are drained, and then it goes.
func GiveUp(key ServiceKey) {
	weir_plugin_structure.Remove([]ServiceKey{key})
}

// Owned is all services that this plugin owns, in the order of the table.
func Owned() []OwnedService {
	return weir_plugin_structure.Owned()
}

// Service is a service without persistence or flags.
func Service(
	name string, key ServiceKey, scheduler string, servers []RealServerConfig,
) OwnedService {
	// Every client by itself: an IPv4 mask, or the length of an IPv6 prefix.
	netmask := ^uint32(0)
	if isV6(key) {
		netmask = 128
	}
	config := weir_ipvs_services.ServiceConfig{Key: key, Scheduler: scheduler, Netmask: netmask}
	return OwnedService{Name: name, Config: config, RealServers: servers}
}

// TCP identifies the service at this address.
func TCP(address netip.AddrPort) ServiceKey {
	return vip(weir_ipvs_services.MakeProtocolTcp(), address)
}

// UDP identifies the service at this address.
func UDP(address netip.AddrPort) ServiceKey {
	return vip(weir_ipvs_services.MakeProtocolUdp(), address)
}

// Masquerade is a real server by masquerading, without thresholds.
func Masquerade(address netip.AddrPort, weight uint32) RealServerConfig {
	return RealServerConfig{Server: endpoint(address), Weight: weight}
}

func vip(protocol weir_ipvs_services.Protocol, address netip.AddrPort) ServiceKey {
	return weir_ipvs_services.MakeServiceKeyVip(weir_ipvs_services.VirtualEndpoint{
		Protocol: protocol, Endpoint: endpoint(address),
	})
}

func endpoint(address netip.AddrPort) weir_ipvs_addresses.Endpoint {
	port := address.Port()
	if address.Addr().Is4() {
		it := address.Addr().As4()
		octets := types.Tuple4[uint8, uint8, uint8, uint8]{F0: it[0], F1: it[1], F2: it[2], F3: it[3]}
		return weir_ipvs_addresses.Endpoint{
			Address: weir_ipvs_addresses.MakeIpAddressIpv4(octets), Port: port,
		}
	}
	it := address.Addr().As16()
	group := func(n int) uint16 { return uint16(it[2*n])<<8 | uint16(it[2*n+1]) }
	groups := types.Tuple8[uint16, uint16, uint16, uint16, uint16, uint16, uint16, uint16]{
		F0: group(0), F1: group(1), F2: group(2), F3: group(3),
		F4: group(4), F5: group(5), F6: group(6), F7: group(7),
	}
	return weir_ipvs_addresses.Endpoint{
		Address: weir_ipvs_addresses.MakeIpAddressIpv6(groups), Port: port,
	}
}

func isV6(key ServiceKey) bool {
	if key.Tag() == weir_ipvs_services.ServiceKey_Fwmark {
		return key.Fwmark().Family == weir_ipvs_addresses.AddressFamily_Ipv6
	}
	return key.Vip().Endpoint.Address.Tag() == weir_ipvs_addresses.IpAddress_Ipv6
}

// why is what an error of HTTP says to people.
func why(it weir_host_http_messages.Error) error {
	switch it.Tag() {
	case weir_host_http_messages.Error_Denied:
		return errors.New(it.Denied())
	case weir_host_http_messages.Error_Invalid:
		return errors.New(it.Invalid())
	case weir_host_http_messages.Error_Busy:
		return ErrBusy
	case weir_host_http_messages.Error_Timeout:
		return errors.New("its time is over")
	case weir_host_http_messages.Error_TooLarge:
		return fmt.Errorf("its answer is longer than %d bytes", it.TooLarge())
	default:
		return errors.New(it.Failed())
	}
}
