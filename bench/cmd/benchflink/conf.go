package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// javaOptions open to Flink on Java 17 what its own distribution opens, and name the collector that
// its scripts name, which is also the virtual machine's own choice.
var javaOptions = []string{
	"-XX:+UseG1GC",
	"--add-exports=java.base/sun.net.util=ALL-UNNAMED",
	"--add-exports=java.management/sun.management=ALL-UNNAMED",
	"--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
	"--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
	"--add-opens=java.base/java.io=ALL-UNNAMED",
	"--add-opens=java.base/java.net=ALL-UNNAMED",
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/java.text=ALL-UNNAMED",
	"--add-opens=java.base/java.time=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
	"--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
}

const log4j = `rootLogger.level = %s
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %%d{HH:mm:ss,SSS} %%-5p %%c - %%m%%n
`

// taskManagerCount returns how many processes share the parallelism of a job.
func taskManagerCount(j job) int {
	if j.Network {
		return j.Parallelism
	}
	return 1
}

// writeConf writes a configuration directory for the run of a job.
func writeConf(dir string, j job, rpcPort, restPort int) error {
	tmp := filepath.Join(j.dir, "tmp")
	for _, path := range []string{dir, tmp} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	settings := []string{
		"jobmanager.rpc.address: 127.0.0.1",
		"jobmanager.bind-host: 127.0.0.1",
		fmt.Sprintf("jobmanager.rpc.port: %d", rpcPort),
		"rest.address: 127.0.0.1",
		"rest.bind-address: 127.0.0.1",
		fmt.Sprintf("rest.port: %d", restPort),
		fmt.Sprintf("rest.bind-port: %d", restPort),
		"taskmanager.host: 127.0.0.1",
		"taskmanager.bind-host: 127.0.0.1",
		"io.tmp.dirs: " + tmp,
		"jobmanager.memory.process.size: 1g",
		fmt.Sprintf("taskmanager.memory.process.size: %db", j.MemoryBytes),
		// The heap state backend uses no managed memory: its share goes to the heap.
		"taskmanager.memory.managed.size: 0b",
		fmt.Sprintf("taskmanager.numberOfTaskSlots: %d", j.Parallelism/taskManagerCount(j)),
		fmt.Sprintf("parallelism.default: %d", j.Parallelism),
		"state.backend.type: hashmap",
		"pipeline.object-reuse: true",
		"pipeline.generic-types: false",
		"restart-strategy.type: none",
	}
	if j.CheckpointDir != "" {
		settings = append(settings,
			"execution.checkpointing.mode: EXACTLY_ONCE",
			fmt.Sprintf("execution.checkpointing.interval: %d ms",
				j.CheckpointInterval.Milliseconds()),
			"execution.checkpointing.storage: filesystem",
			"execution.checkpointing.dir: file://"+j.CheckpointDir)
	}
	files := map[string]string{
		"config.yaml":          strings.Join(settings, "\n") + "\n",
		"log4j.properties":     fmt.Sprintf(log4j, "INFO"),
		"log4j-cli.properties": fmt.Sprintf(log4j, "WARN"),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// freePorts returns ports of the loopback interface that are free at the moment.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close() // Only at the end, so that no port comes twice.
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
