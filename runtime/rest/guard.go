package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"goflink/core/config"
)

// cleanPrefix brings rest.url-prefix into the form "" or "/a/b".
func cleanPrefix(prefix string) (string, error) {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return "", nil
	}
	if strings.ContainsAny(prefix, "?#{} ") {
		return "", fmt.Errorf("%s %q is no path", config.RestURLPrefix.Key, prefix)
	}
	return "/" + prefix, nil
}

// handler is the way of a request: limits and headers, the prefix, then the routes.
func (s *Server) handler() http.Handler {
	var h http.Handler = s.routes()
	if s.s.prefix != "" {
		h = s.below(s.s.prefix, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.busy <- struct{}{}:
			defer func() { <-s.busy }()
		default:
			w.Header().Set("Retry-After", "1")
			s.fail(w, r, &httpError{http.StatusServiceUnavailable,
				fmt.Errorf("%d requests are being answered already; try again", MaxRequests)})
			return
		}
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", s.s.origin)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), s.s.timeout)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// below passes on requests below the prefix, without it.
func (s *Server) below(prefix string, h http.Handler) http.Handler {
	stripped := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, prefix+"/") {
			s.fail(w, r, &NotFoundError{What: "path", ID: r.URL.Path, In: prefix})
			return
		}
		stripped.ServeHTTP(w, r)
	})
}

var (
	errNoToken = errors.New("this needs the cluster's token: send the header " +
		"\"Authorization: Bearer TOKEN\"")
	errWrongToken = errors.New("the token is not that of this cluster")
	errForeign    = errors.New("a page of another origin may not change anything here")
)

// allow says whether a request may be served: an error if not.
func (s *Server) allow(r *http.Request, write bool) error {
	if write {
		if err := sameOrigin(r); err != nil {
			return &httpError{http.StatusForbidden, errForeign}
		}
	}
	if write && s.s.open || !write && s.s.reads {
		return nil
	}
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(kind, "Bearer") {
		return &httpError{http.StatusUnauthorized, errNoToken}
	}
	given, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.o.Token))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return &httpError{http.StatusUnauthorized, errWrongToken}
	}
	return nil
}

// sameOrigin refuses what a browser sends for a page of another origin. Flink has GET requests that
// change something, so they are looked at as if they were POST.
func sameOrigin(r *http.Request) error {
	unsafe := *r
	unsafe.Method = http.MethodPost
	return http.NewCrossOriginProtection().Check(&unsafe)
}
