package restclient

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"goflink/core/config"
)

// AddressOf is the address of the JobManager that a configuration names, for [Options]: by
// rest.address, rest.port, rest.url-prefix and security.ssl.rest.enabled.
func AddressOf(c *config.Configuration) (string, error) {
	host, err := config.Get(c, config.RestAddress)
	if err != nil {
		return "", err
	}
	if host == "" {
		return "", fmt.Errorf("%s is not set: it names the host of the JobManager",
			config.RestAddress.Key)
	}
	port, err := config.Get(c, config.RestPort)
	if err != nil {
		return "", err
	}
	prefix, err := config.Get(c, config.RestURLPrefix)
	if err != nil {
		return "", err
	}
	secure, err := config.Get(c, config.SSLRestEnabled)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(port)),
		Path: strings.TrimSuffix("/"+strings.Trim(prefix, "/"), "/")}
	if secure {
		u.Scheme = "https"
	}
	return u.String(), nil
}
