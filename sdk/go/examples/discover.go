// Serves what a registry lists: services and their real servers, asked for by HTTP again and again.
//
// A registry that does not answer, or answers something else, changes nothing; nor does one that
// lists nothing at all, for that is more likely its mistake than its wish.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"weir/policy"
)

var settings = struct {
	// What is asked for, within grant.http.
	URL string
	// Seconds between two questions.
	Every uint32 `json:"every_s"`
	// The name in grant.secrets of the token that is sent as `Authorization: Bearer`.
	Secret string
}{Every: 10}

// listed is a service as the registry lists it. What must be there is a pointer.
type listed struct {
	Name      *string
	Address   *netip.AddrPort
	UDP       bool
	Scheduler string
	Servers   *[]struct {
		Address *netip.AddrPort
		Weight  *uint32
	}
}

func start(config string) error {
	decoder := json.NewDecoder(strings.NewReader(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if settings.URL == "" {
		return errors.New("config: url is missing")
	}
	policy.Every = time.Duration(settings.Every) * time.Second
	return nil
}

func ask(time.Duration) error {
	request := policy.Get("services", settings.URL)
	if settings.Secret != "" {
		token := policy.Secret("authorization", "Bearer ", settings.Secret)
		request.Headers = append(request.Headers, token)
	}
	if err := policy.Ask(request); !errors.Is(err, policy.ErrBusy) {
		return err
	}
	// Those before are not answered yet.
	return nil
}

func answered(_ string, answer policy.Response, err error) error {
	if err == nil && answer.Status != 200 {
		err = fmt.Errorf("status %d", answer.Status)
	}
	var services []policy.OwnedService
	if err == nil {
		if services, err = parsed(answer.Body); err != nil {
			err = fmt.Errorf("its answer: %w", err)
		} else if len(services) == 0 {
			err = errors.New("it lists no service")
		}
	}
	if err != nil {
		policy.Log(policy.LevelWarn, fmt.Sprintf("%s: %v; nothing changes", settings.URL, err))
		return nil
	}
	serve(services)
	return nil
}

func parsed(body []byte) ([]policy.OwnedService, error) {
	var list []listed
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var services []policy.OwnedService
	for _, it := range list {
		if it.Name == nil || it.Address == nil || it.Servers == nil {
			return nil, errors.New("a service without name, address or servers")
		}
		var servers []policy.RealServerConfig
		for _, server := range *it.Servers {
			if server.Address == nil {
				return nil, fmt.Errorf("%s: a server without address", *it.Name)
			}
			weight := uint32(1)
			if server.Weight != nil {
				weight = *server.Weight
			}
			servers = append(servers, policy.Masquerade(*server.Address, weight))
		}
		key, scheduler := policy.TCP(*it.Address), "wlc"
		if it.UDP {
			key = policy.UDP(*it.Address)
		}
		if it.Scheduler != "" {
			scheduler = it.Scheduler
		}
		services = append(services, policy.Service(*it.Name, key, scheduler, servers))
	}
	return services, nil
}

func serve(services []policy.OwnedService) {
	listed := map[policy.ServiceKey]bool{}
	for _, it := range services {
		// One service that cannot be is no reason to leave the others.
		if err := policy.Ensure(it); err != nil {
			policy.Log(policy.LevelError, err.Error())
		}
		listed[it.Config.Key] = true
	}
	for _, it := range policy.Owned() {
		if !listed[it.Config.Key] {
			policy.GiveUp(it.Config.Key)
		}
	}
}

func init() {
	policy.OnInit = start
	policy.OnTime = ask
	policy.OnAnswer = answered
}

func main() {}
