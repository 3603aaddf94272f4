package config

import (
	"slices"
	"strings"
)

// topics are the sections of the reference. A key belongs to the topic with the longest of the
// prefixes that it starts with.
var topics = []struct {
	title    string
	prefixes []string
}{
	{"Execution", []string{"execution.", "parallelism.", "client."}},
	{"Programs", []string{"pipeline."}},
	{"Checkpoints", []string{"execution.checkpointing.", "state.storage."}},
	{"State", []string{"state.", "execution.state-recovery.from-local", "taskmanager.state."}},
	{"Restarts", []string{"restart-strategy.", "jobmanager.execution."}},
	{"Scheduling and slots", []string{"jobmanager.scheduler", "slot", "resourcemanager.",
		"cluster.", "minicluster.", "taskmanager.numberOfTaskSlots", "taskmanager.cpu.",
		"taskmanager.load-balance.", "external-resource"}},
	{"Memory of TaskManagers", []string{"taskmanager.memory."}},
	{"Memory of JobManagers", []string{"jobmanager.memory."}},
	{"Network", []string{"taskmanager.network.", "taskmanager.data."}},
	{"Processes", []string{"heartbeat.", "jobmanager.", "taskmanager.", "task.", "pekko.", "io.",
		"process.", "fs.", "blob.", "env.", "containerized.", "flink."}},
	{"High availability", []string{"high-availability.", "job-result-store."}},
	{"REST interface and dashboard", []string{"rest.", "web.", "jobstore."}},
	{"Metrics", []string{"metrics."}},
	{"Security", []string{"security."}},
	{"Clusters on one machine", []string{"local.", "cluster.id"}},
	{"YARN", []string{"yarn.", "flink.yarn"}},
	{"Other", []string{""}},
}

// topicOf returns the index of the topic of a key.
func topicOf(key string) int {
	best, length := len(topics)-1, -1
	for i, t := range topics {
		for _, p := range t.prefixes {
			if strings.HasPrefix(key, p) && len(p) > length {
				best, length = i, len(p)
			}
		}
	}
	return best
}

const referenceHead = `# Configuration

This page is written from the options in the code.

Options stand in ` + "`conf/config.yaml`" + ` (YAML, keys nested or flat), in a
` + "`flink-conf.yaml`" + ` with lines ` + "`key: value`" + `, or on the command line as
` + "`-Dkey=value`" + `, which wins over files; what a program sets itself wins over both. Keys and
defaults are those of Apache Flink 1.12 to 2.x, and their former names are accepted.

- Durations: a number and ` + "`ns us ms s min h d`" + `, as in ` + "`10 s`" + `; a bare number is
  milliseconds unless the option says otherwise.
- Memory sizes: a number and ` + "`b kb mb gb tb`" + `, all powers of 1024, as in
  ` + "`1728m`" + `; a bare number is bytes.
- Lists: elements separated by ` + "`;`" + `, or a YAML list.
- Maps: ` + "`name:value`" + ` pairs separated by ` + "`,`" + `, or keys below the option's key.
`

// Reference returns the page about all options, in Markdown: tables of key, type, default and
// description by topic, and a list of the keys that have no effect.
func Reference() string {
	byTopic := make([][]Known, len(topics))
	var reasons []string
	silent := map[string][]string{}
	for _, k := range All() {
		if k.Type == "" {
			if len(silent[k.NoEffect]) == 0 {
				reasons = append(reasons, k.NoEffect)
			}
			silent[k.NoEffect] = append(silent[k.NoEffect], code(k.Key))
			continue
		}
		t := topicOf(k.Key)
		byTopic[t] = append(byTopic[t], k)
	}
	var b strings.Builder
	b.WriteString(referenceHead)
	for i, t := range topics {
		if len(byTopic[i]) == 0 {
			continue
		}
		b.WriteString("\n## " + t.title + "\n\n")
		b.WriteString("| Key | Type | Default | Description |\n|---|---|---|---|\n")
		for _, k := range byTopic[i] {
			writeRow(&b, k)
		}
	}
	b.WriteString("\n## Keys without an effect\n\n")
	b.WriteString("These are accepted, so that a file written for Flink starts, and change " +
		"nothing.\n\n| Keys | Why |\n|---|---|\n")
	slices.Sort(reasons)
	for _, r := range reasons {
		b.WriteString("| " + strings.Join(silent[r], ", ") + " | " + cell(r) + " |\n")
	}
	return b.String()
}

// writeRow writes the row of an option.
func writeRow(b *strings.Builder, k Known) {
	def := "(none)"
	if k.HasDefault {
		def = code(k.Default)
		if k.Default == "" {
			def = "(empty)"
		}
	}
	desc := cell(k.Description)
	if len(k.Deprecated) > 0 {
		names := make([]string, len(k.Deprecated))
		for i, d := range k.Deprecated {
			names[i] = code(d)
		}
		desc += " Former names: " + strings.Join(names, ", ") + "."
	}
	b.WriteString("| " + code(k.Key) + " | " + cell(k.Type) + " | " + def + " | " + desc + " |\n")
}

func code(s string) string { return "`" + cell(s) + "`" }

// cell makes text fit for a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
