package goflink.bench;

import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Numbers → map → filter → map → discard, one chain. */
final class Chain {
    private Chain() {}

    static void build(StreamExecutionEnvironment env, Options options) {
        env.fromSequence(0, options.events - 1)
                .map(new First(options.progress))
                .filter(x -> Formula.chainKeep(x))
                .map(x -> Formula.chainSecond(x))
                .sinkTo(new ResultSink<>(options, new Digest()));
    }

    /** The first map counts what the source reads. */
    private static final class First extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1L;
        private static final long PROGRESS_MASK = 65535;

        private final String file;
        private transient Progress progress;
        private transient long records;

        First(String file) {
            this.file = file;
        }

        @Override
        public void open(OpenContext context) throws IOException {
            int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
            progress = new Progress(file, subtask);
        }

        @Override
        public Long map(Long x) {
            if ((++records & PROGRESS_MASK) == 0) {
                progress.set(records);
            }
            return Formula.chainFirst(x);
        }

        @Override
        public void close() {
            if (progress != null) {
                progress.set(records);
            }
        }
    }

    private static final class Digest implements ResultSink.Digest<Long> {
        private static final long serialVersionUID = 1L;

        @Override
        public long digest(Long record) {
            return record;
        }

        @Override
        public ResultSink.Lines<Long> lines() {
            return new NumberLines();
        }
    }

    private static final class NumberLines implements ResultSink.Lines<Long> {
        private final StringBuilder lines = new StringBuilder();

        @Override
        public void add(Long record) {
            lines.append(record.longValue()).append('\n');
        }

        @Override
        public void writeTo(Appendable out) throws IOException {
            out.append(lines);
        }
    }
}
