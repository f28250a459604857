// Package policy is policies in Go: what happened comes in, what weights should be goes out.
//
// A policy is a main package that sets the functions below, in an init of its own. What they
// say through Drain, Scale, Floor, Cap and Clear takes place if they return nil, and not at
// all if one returns an error or panics. Everything else the world has is in weir/imports.
//
// One that calls Ask, Ensure, GiveUp or Owned is a controller.
package policy

import (
	"errors"
	"time"

	"weir/imports/weir_host_log"
	"weir/imports/weir_ipvs_errors"
	"weir/imports/weir_ipvs_real_servers"
	"weir/imports/weir_ipvs_table"
	"weir/imports/weir_plugin_events"
	"weir/imports/weir_plugin_health_words"
	"weir/imports/weir_plugin_intents"
	"weir/imports/weir_plugin_labels"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// Server is what identifies a real server: its service, and its own address and port.
type Server = weir_ipvs_real_servers.RealServerKey

// RealServer is a real server as the kernel has it.
type RealServer = weir_ipvs_real_servers.RealServer

// HealthChange says that a real server changed health.
type HealthChange = weir_plugin_events.HealthChange

// Health of a real server, after rise and fall counting by the host.
const (
	Unknown = weir_plugin_health_words.HealthStatus_Unknown
	Up      = weir_plugin_health_words.HealthStatus_Up
	Down    = weir_plugin_health_words.HealthStatus_Down
)

// What a policy does; what is nil does nothing.
var (
	// OnInit is called when the instance is made, with its settings, JSON text of an object.
	// Where it fails, the policy is not used.
	OnInit func(config string) error
	// OnStart is called when the instance has begun, or lost events. Where it is nil,
	// OnHealth is told of every real server whose health is known, as it is.
	OnStart func() error
	// OnHealth is called when a real server changed health.
	OnHealth func(change HealthChange) error
	// OnTime is called when connections and stats are fresh, with the time since they were
	// before, 0 = this is the first.
	OnTime func(elapsed time.Duration) error
	// Every is how often OnTime is called, 1 s at least. To be set in OnInit.
	Every = 5 * time.Second
	// OnAnswer is called when what was asked by Ask is answered, with its tag, or is not, and
	// why.
	OnAnswer func(tag string, answer Response, err error) error
	// OnStop is called when the instance will be stopped.
	OnStop func() error
)

// Drain lets no new connections to this real server until Clear, whatever others say. It
// fails if the grant does not allow it, with the key that would.
func Drain(server Server, reason string) error {
	return publish(server, weir_plugin_intents.MakeIntentDrain(), reason)
}

// Scale multiplies the base weight, in thousandths, 1 or more. A number outside the grant's
// range is bounded by it.
func Scale(server Server, thousandths uint32, reason string) error {
	return publish(server, weir_plugin_intents.MakeIntentScale(thousandths), reason)
}

// Floor is at least this weight; it never lifts a drain.
func Floor(server Server, weight uint32, reason string) error {
	return publish(server, weir_plugin_intents.MakeIntentFloor(weight), reason)
}

// Cap is at most this weight, 1 or more.
func Cap(server Server, weight uint32, reason string) error {
	return publish(server, weir_plugin_intents.MakeIntentCap(weight), reason)
}

// Clear takes back what this policy says of the real server.
func Clear(server Server) {
	weir_plugin_intents.Withdraw([]Server{server})
}

// How grave a line of the log is.
const (
	LevelTrace = weir_host_log.Level_Trace
	LevelDebug = weir_host_log.Level_Debug
	LevelInfo  = weir_host_log.Level_Info
	LevelWarn  = weir_host_log.Level_Warn
	LevelError = weir_host_log.Level_Error
)

// Log writes a line to the log.
func Log(level weir_host_log.Level, message string) {
	weir_host_log.Write(level, message, nil)
}

// EachServer calls each for every real server that the grant shows, in the order of the
// table, until it fails.
func EachServer(each func(Server, RealServer) error) error {
	snapshot := weir_ipvs_table.Current()
	defer snapshot.Drop()
	for number, service := range snapshot.Services(0, ^uint32(0)) {
		for _, it := range snapshot.RealServers(uint32(number)) {
			key := Server{Service: service.Config.Key, Server: it.Config.Server}
			if err := each(key, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// Labels are the real server's own in the host's configuration.
func Labels(server Server) map[string]string {
	labels := map[string]string{}
	for _, of := range weir_plugin_labels.OfRealServers([]Server{server}) {
		for _, it := range of {
			labels[it.F0] = it.F1
		}
	}
	return labels
}

func publish(server Server, intent weir_plugin_intents.Intent, reason string) error {
	statement := weir_plugin_intents.Statement{
		Key: server, Intent: intent, Lease: types.None[uint64](), Reason: reason,
	}
	statements := []weir_plugin_intents.Statement{statement}
	for _, it := range weir_plugin_intents.Publish(statements) {
		if it.Tag() == weir_plugin_intents.Verdict_Refused {
			return refused(it.Refused())
		}
	}
	return nil
}

func refused(it weir_ipvs_errors.Error) error {
	switch it.Tag() {
	case weir_ipvs_errors.Error_Denied:
		return errors.New(it.Denied().Message)
	case weir_ipvs_errors.Error_NoSuchServer:
		return errors.New("the host does not know this real server")
	default:
		return errors.New("the host refused it")
	}
}
