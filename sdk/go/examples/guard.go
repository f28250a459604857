// Refuses changes that leave a service with no real server to spare.
package main

import (
	"encoding/json"
	"fmt"

	"weir/guard"
)

func init() {
	guard.OnJudge = func(change guard.Review) (guard.Verdict, error) {
		// Real servers that carry the load of a service.
		settings := struct{ Needed int }{Needed: 1}
		if err := json.Unmarshal([]byte(guard.Config()), &settings); err != nil {
			return guard.Deny("config: " + err.Error()), nil
		}
		for _, service := range change.Outcome {
			before, after := 0, 0
			for _, it := range guard.ServersNow(service.Config.Key) {
				before += serving(it.Config.Weight)
			}
			for _, it := range service.RealServers {
				after += serving(it.Weight)
			}
			if after < before && after <= settings.Needed {
				why := "%d real servers would be left, and %d are wanted"
				return guard.Deny(fmt.Sprintf(why, after, settings.Needed+1)), nil
			}
		}
		return guard.Allow(), nil
	}
}

// serving is 1 for a real server that gets connections, by its weight.
func serving(weight uint32) int { return int(min(weight, 1)) }

func main() {}
