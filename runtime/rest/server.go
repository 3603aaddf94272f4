package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"goflink/core/config"
)

// Limits of the server. Those without a name here are options.
const (
	// MaxJSONBytes bounds the bodies of requests other than those to coordinators.
	MaxJSONBytes = 1 << 20
	// MaxHeaderBytes bounds the headers of a request.
	MaxHeaderBytes = 64 << 10
	// MaxRequests bounds the requests that are served at a time; further ones get a 503.
	MaxRequests = 256
	// MaxPending bounds the asynchronous operations that are under way, MaxKept the results.
	MaxPending = 64
	MaxKept    = 1024
	// MaxLogBytes is what is sent of a log file, from its beginning.
	MaxLogBytes = 1 << 30

	// headerTimeout is the time in which a client must send the headers of a request, readTimeout
	// the whole of it.
	headerTimeout = 10 * time.Second
	readTimeout   = 5 * time.Minute
	// writeMargin is how much longer than web.timeout the writing of an answer may take.
	writeMargin = time.Minute
	// MinTokenBytes is the length of the shortest token that is accepted.
	MinTokenBytes = 16
)

// Options describes a server.
type Options struct {
	// Gateway is the cluster.
	Gateway Gateway
	// Config is the configuration of the cluster: it is shown, and has the server's options.
	Config *config.Configuration
	// Token is what clients must know where security.rest.authentication is token.
	Token string
	// TLS is how the server proves who it is; nil: plain HTTP.
	TLS *tls.Config
	// FlinkVersion is the version of Flink that clients are told, Version that of this engine and
	// Commit what it was built from.
	FlinkVersion, Version, Commit string
	// Now is the clock; nil is the machine's.
	Now    func() time.Time
	Logger *slog.Logger
}

// settings are the options of the server.
type settings struct {
	prefix      string
	origin      string
	open, reads bool // whether writes and reads need no token
	maxContent  int64
	timeout     time.Duration
	idle        time.Duration
	keep        time.Duration
	refresh     time.Duration
	cancel      bool
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	o     Options
	s     settings
	http  *http.Server
	busy  chan struct{}
	async *async
}

// New returns a server that listens nowhere yet. An error says which option is wrong.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	set, err := readSettings(o.Config)
	if err != nil {
		return nil, err
	}
	if !set.open && len(o.Token) < MinTokenBytes {
		return nil, fmt.Errorf("the token of the REST interface has %d bytes and needs %d; "+
			"set %s to none for an interface that anybody may use", len(o.Token), MinTokenBytes,
			config.RestAuthentication.Key)
	}
	s := &Server{o: o, s: set, busy: make(chan struct{}, MaxRequests),
		async: newAsync(o.Now, set.keep)}
	s.http = &http.Server{
		Handler: s.handler(), TLSConfig: o.TLS, MaxHeaderBytes: MaxHeaderBytes,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: set.idle,
		WriteTimeout: set.timeout + writeMargin,
		ErrorLog:     slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// option reads an option and keeps the first error.
func option[T any](c *config.Configuration, o config.Option[T], err *error) T {
	v, e := config.Get(c, o)
	if *err == nil {
		*err = e
	}
	return v
}

func readSettings(c *config.Configuration) (s settings, err error) {
	prefix := option(c, config.RestURLPrefix, &err)
	s.origin = option(c, config.WebAccessControlAllowOrigin, &err)
	s.open = option(c, config.RestAuthentication, &err) == config.RestNone
	s.reads = option(c, config.RestReads, &err) == config.RestReadsOpen
	s.maxContent = option(c, config.RestServerMaxContentLength, &err).Bytes()
	s.timeout = option(c, config.WebTimeout, &err)
	s.idle = option(c, config.RestIdlenessTimeout, &err)
	s.keep = option(c, config.RestAsyncStoreDuration, &err)
	s.refresh = option(c, config.WebRefreshInterval, &err)
	s.cancel = option(c, config.WebCancelEnabled, &err)
	if err != nil {
		return s, err
	}
	if s.open && !s.reads {
		return s, fmt.Errorf("%s is %s, but %s is %s: there is no token to read with",
			config.RestReads.Key, config.RestReadsToken, config.RestAuthentication.Key,
			config.RestNone)
	}
	s.prefix, err = cleanPrefix(prefix)
	return s, err
}

// Handler is what answers requests, for a server of the caller's own.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers requests of a listener until Close, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	var err error
	if s.o.TLS != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("the REST interface at %s: %w", l.Addr(), err)
}

// Close begins no more operations, and ends the server when those under way are over, their
// results were fetched and no request is being answered. When ctx ends, all that is left is given
// up; the error says what it was.
func (s *Server) Close(ctx context.Context) error {
	left := s.async.drain(ctx)
	s.async.close()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.async.wait()
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("the results of %d operations were not fetched", left))
	}
	return err
}
