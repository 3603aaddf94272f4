package entrypoint

import (
	"os"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/datastream"
)

func TestMain(m *testing.M) {
	if os.Getenv(LaunchFileEnv) != "" {
		Main(Programs{"numbers": numbers})
	}
	os.Exit(m.Run())
}

func numbers(env *datastream.Environment, _ []string) error {
	env.SetParallelism(2)
	datastream.FromSequence(env, 1, 1000).Rebalance().Filter(func(n int64) bool { return n%2 == 0 }).Print()
	_, err := env.Execute("numbers")
	return err
}

func TestApplication(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Logf("home %s", dir)
	began := time.Now()
	c, err := DeployLocal(t.Context(), Deployment{Artifact: exe, Program: "numbers",
		Mode: ModeApplication, Config: config.FromMap(map[string]string{
			"local.cluster.directory": dir}, "test")})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("REST at %s after %s", c.REST, time.Since(began))
	<-c.Exited()
	t.Log(time.Since(began), c.Died())
	os.CopyFS("/tmp/home", os.DirFS(dir))
}
