package graph

// FingerprintForTesting is the fingerprint that the graph should have, or "".
func FingerprintForTesting(j *JobGraph) string {
	f, err := fingerprint(j)
	if err != nil {
		return ""
	}
	return f
}
