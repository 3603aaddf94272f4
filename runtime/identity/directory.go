package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The files of a cluster's identity.
const (
	// AuthorityFile is the certificate of the authority, PEM.
	AuthorityFile = "ca.crt"
	// KeyFile is the key of the authority, PEM (PKCS #8).
	KeyFile = "ca.key"
	// SecretFile is the join secret, in hexadecimal digits.
	SecretFile = "join.secret"
	// TokenFile is the token for the REST interface, in hexadecimal digits.
	TokenFile = "rest.token"
)

// Permissions: nobody but the user may even see the directory.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
	others   fs.FileMode = 0o077
)

// maxFileBytes bounds what is read of a file.
const maxFileBytes = 64 << 10

const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// Create makes the identity of a new cluster in the directory dir, which must not exist (the error
// is fs.ErrExist then) and is complete as soon as it is there. Missing parents are made.
func Create(dir, cluster string) (*Authority, error) {
	a, err := newAuthority(cluster, time.Now())
	if err == nil {
		err = a.write(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make the identity of cluster %q: %w", cluster, err)
	}
	return a, nil
}

func (a *Authority) write(dir string) error {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		AuthorityFile: pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: a.cert.Raw}),
		KeyFile:       pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key}),
		SecretFile:    []byte(a.secret.text() + "\n"),
		TokenFile:     []byte(a.token.text() + "\n"),
	}
	return writeDirectory(filepath.Clean(dir), files)
}

// writeDirectory makes a directory with files: all of it or nothing. The directory is not empty
// when it gets its name, so that it replaces no other one.
func writeDirectory(dir string, files map[string][]byte) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s: %w: load it, or choose another directory", dir, fs.ErrExist)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, dirMode); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".*") // of mode 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temporary))
		}
	}()
	for name, contents := range files {
		if err := writeFile(filepath.Join(temporary, name), contents); err != nil {
			return err
		}
	}
	if err := syncDir(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, dir); err != nil {
		return err
	}
	return syncDir(parent)
}

func writeFile(path string, contents []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads the identity of a cluster. It refuses a directory and files that others may read or
// write, or that belong to somebody else.
func Load(dir string) (*Authority, error) {
	a, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("identity of a cluster: %w", err)
	}
	return a, nil
}

func load(dir string) (*Authority, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(dir, info); err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	for _, name := range []string{AuthorityFile, KeyFile, SecretFile, TokenFile} {
		if contents[name], err = readPrivate(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return parse(dir, contents)
}

// readPrivate reads a small file that only the user may read. What is checked is what is read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxFileBytes)
	}
	if err := checkPrivate(path, info); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxFileBytes))
}

// checkPrivate refuses what others than the user can get at.
func checkPrivate(path string, info fs.FileInfo) error {
	if owner := ownerOf(info); owner != os.Geteuid() {
		return fmt.Errorf("%s belongs to the user %d, this process runs as %d: chown %d %s, or "+
			"run as its owner", path, owner, os.Geteuid(), os.Geteuid(), path)
	}
	want := fileMode
	if info.IsDir() {
		want = dirMode
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("%s may be used by others than its owner, its mode is %04o: chmod %o %s",
			path, mode, want, path)
	}
	return nil
}

// ownerOf is the user that a file belongs to.
func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// parse puts the identity together. Errors name a file and never its contents.
func parse(dir string, contents map[string][]byte) (*Authority, error) {
	failed := func(name, why string) (*Authority, error) {
		return nil, fmt.Errorf("%s: %s; make a new identity if it is lost",
			filepath.Join(dir, name), why)
	}
	cert, err := parseCertificate(contents[AuthorityFile])
	if err != nil {
		return failed(AuthorityFile, err.Error())
	}
	key, ok := parseKey(contents[KeyFile])
	if !ok {
		return failed(KeyFile, "it is not a P-256 key in PEM")
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return failed(KeyFile, "it is not the key of "+AuthorityFile)
	}
	a := &Authority{cluster: cert.Subject.Organization[0], cert: cert, key: key}
	if a.secret, ok = parseSecret(contents[SecretFile]); !ok {
		return failed(SecretFile, "it is not a secret of 64 hexadecimal digits")
	}
	if a.token, ok = parseSecret(contents[TokenFile]); !ok {
		return failed(TokenFile, "it is not a token of 64 hexadecimal digits")
	}
	return a, nil
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemCertificate {
		return nil, errors.New("it is not a certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return nil, err
	case !c.IsCA || len(c.Subject.Organization) != 1:
		return nil, errors.New("it is not the certificate of a cluster's authority")
	case time.Now().After(c.NotAfter):
		return nil, fmt.Errorf("it has expired on %s", c.NotAfter.Format(time.DateOnly))
	}
	return c, nil
}

func parseKey(b []byte) (*ecdsa.PrivateKey, bool) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemKey {
		return nil, false
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, false
	}
	key, ok := k.(*ecdsa.PrivateKey)
	return key, ok && key.Curve == elliptic.P256()
}

func parseSecret(b []byte) (Secret, bool) {
	s, err := hex.DecodeString(strings.TrimSpace(string(b)))
	return s, err == nil && len(s) == secretBytes
}
