package goflink.bench;

import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Runs one benchmark program of bench/README.md. All settings that are not part of the program
 * (object reuse, state backend, checkpoints, memory) are the runner's and stand in the cluster's
 * configuration.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Options options = Options.parse(args);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.setParallelism(options.parallelism);
        switch (options.program) {
            case "wordcount" -> WordCount.build(env, options);
            case "sliding" -> SlidingCount.build(env, options);
            case "tumbling" -> TumblingSum.build(env, options);
            case "chain" -> Chain.build(env, options);
            default ->
                    throw new IllegalArgumentException(
                            "unknown --program '"
                                    + options.program
                                    + "': know wordcount, sliding, tumbling, chain");
        }
        env.execute(options.program);
    }
}
