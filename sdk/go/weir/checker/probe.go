package checker

import (
	"io"

	"weir/imports/weir_host_probe"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// Error is why there is no answer.
type Error struct{ Why weir_host_probe.Error }

func (it Error) Error() string {
	switch it.Why.Tag() {
	case weir_host_probe.Error_Refused:
		return "nobody listens"
	case weir_host_probe.Error_Unreachable:
		return "the network says there is no way to it"
	case weir_host_probe.Error_Timeout:
		return "the time of the check is over"
	case weir_host_probe.Error_Broken:
		return "the connection broke"
	case weir_host_probe.Error_Protocol:
		return it.Why.Protocol()
	case weir_host_probe.Error_Local:
		return it.Why.Local()
	default:
		return it.Why.Invalid()
	}
}

// Request is one request by HTTP/1.1.
type Request = weir_host_probe.Request

// Response is its answer: Status is 100 to 999, Body at most the first 64 KiB.
type Response = weir_host_probe.Response

// Get asks for path, such as "/health?deep=1", by HTTP.
func Get(path string) (Response, error) {
	return HTTP(Request{Method: "GET", Path: path})
}

// HTTP asks over a connection of its own. Any status is an answer; redirections are not
// followed.
func HTTP(request Request) (Response, error) {
	return unwrapped(weir_host_probe.Http(request))
}

// Exchange sends one datagram by UDP, and waits for one.
func Exchange(datagram []byte) ([]byte, error) {
	return unwrapped(weir_host_probe.Exchange(datagram))
}

// Connection is a connection by TCP, an io.ReadWriteCloser.
type Connection struct{ it *weir_host_probe.Connection }

// Connect connects to the server, and shakes hands where the check says `tls`.
func Connect() (*Connection, error) {
	connection, err := unwrapped(weir_host_probe.ConnectionConnect())
	if err != nil {
		return nil, err
	}
	return &Connection{connection}, nil
}

// Write sends all of the bytes, or fails.
func (c *Connection) Write(bytes []byte) (int, error) {
	if _, err := unwrapped(c.it.Write(bytes)); err != nil {
		return 0, err
	}
	return len(bytes), nil
}

// Read has what is there, or waits for it: 64 KiB at a time at most. The end is io.EOF.
func (c *Connection) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	bytes, err := unwrapped(c.it.Read(uint32(len(into))))
	if err == nil && len(bytes) == 0 {
		err = io.EOF
	}
	return copy(into, bytes), err
}

// Close ends it with a reset.
func (c *Connection) Close() error {
	c.it.Drop()
	return nil
}

func unwrapped[T any](result types.Result[T, weir_host_probe.Error]) (T, error) {
	if result.Tag() == types.ResultErr {
		var none T
		return none, Error{result.Err()}
	}
	return result.Ok(), nil
}
