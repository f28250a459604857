// Drains a real server that is down, and gives its weight back when it is up.
package main

import "weir/policy"

func init() {
	policy.OnHealth = func(change policy.HealthChange) error {
		switch change.After {
		case policy.Down:
			return policy.Drain(change.Server, change.Detail)
		case policy.Up:
			policy.Clear(change.Server)
		}
		return nil
	}
}

func main() {}
