// Package guard is guards in Go: a planned change comes in, a verdict goes out.
//
// A guard is a main package that sets OnJudge, in an init of its own. Everything else the
// world has is in weir/imports.
package guard

import (
	"errors"

	_ "weir/exports/guard"

	"weir/exports/export_weir_plugin_guarding"
	"weir/imports/weir_host_config"
	"weir/imports/weir_host_log"
	"weir/imports/weir_ipvs_errors"
	"weir/imports/weir_ipvs_real_servers"
	"weir/imports/weir_ipvs_services"
	"weir/imports/weir_ipvs_table"
	"weir/imports/weir_plugin_guarding"
	"weir/internal/failure"

	types "go.bytecodealliance.org/pkg/wit/types"
)

// Review is a change to be judged: who wants it and why, what will be done, and each service
// that it touches as it would be then.
type Review = weir_plugin_guarding.Review

// PlannedService is a service as it would be, with its real servers.
type PlannedService = weir_plugin_guarding.PlannedService

// ServiceKey is what identifies a service.
type ServiceKey = weir_ipvs_services.ServiceKey

// RealServer is a real server as the kernel has it.
type RealServer = weir_ipvs_real_servers.RealServer

// Verdict is a judgement.
type Verdict = weir_plugin_guarding.Verdict

// OnJudge judges one change, in a fresh instance each time. Where it fails or panics, the
// guard counts as broken: until it answers again, changes by plugins are denied, and those of
// operators go on with a warning.
var OnJudge = func(Review) (Verdict, error) {
	return Verdict{}, errors.New("the plugin does not set guard.OnJudge")
}

// Allow lets the change go on.
func Allow() Verdict { return weir_plugin_guarding.MakeVerdictAllow() }

// Warn lets it go on, and tells people.
func Warn(why string) Verdict { return weir_plugin_guarding.MakeVerdictWarn(why) }

// Deny has nothing of it done, and tells whoever wanted it why.
func Deny(why string) Verdict {
	denial := weir_ipvs_errors.Denial{Code: "denied", Message: why}
	return weir_plugin_guarding.MakeVerdictDeny(denial)
}

// Config is the plugin's settings, JSON text of an object.
func Config() string { return weir_host_config.Get() }

// ServersNow returns the real servers that a service has now; none if the grant does not show
// it.
func ServersNow(service ServiceKey) []RealServer {
	snapshot := weir_ipvs_table.Current()
	defer snapshot.Drop()
	number := snapshot.Find(service)
	if number.Tag() == types.OptionNone {
		return nil
	}
	return snapshot.RealServers(number.Some())
}

func init() {
	export_weir_plugin_guarding.Judge = judge
}

func judge(review Review) Verdict {
	var verdict Verdict
	err := failure.Caught(func() (err error) {
		verdict, err = OnJudge(review)
		return err
	})
	if err != nil {
		weir_host_log.Write(weir_host_log.Level_Error, err.Error(), nil)
		trap()
	}
	return verdict
}

// trap ends the instance: a guard has no other way to say that it failed, and a panic waits
// for a clock.
func trap()
