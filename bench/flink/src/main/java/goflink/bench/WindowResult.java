package goflink.bench;

import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** What a window program emits, (key, end of the window in ms, aggregate), and its digest. */
final class WindowResult {
    static final TypeInformation<Tuple3<Long, Long, Long>> TYPE =
            TypeInformation.of(new TypeHint<>() {});

    private WindowResult() {}

    /** Adds key and window to an aggregate; the tuple is reused, as object reuse allows. */
    static final class Emit
            implements WindowFunction<Long, Tuple3<Long, Long, Long>, Long, TimeWindow> {
        private static final long serialVersionUID = 1L;

        private final Tuple3<Long, Long, Long> result = new Tuple3<>();

        @Override
        public void apply(
                Long key,
                TimeWindow window,
                Iterable<Long> aggregate,
                Collector<Tuple3<Long, Long, Long>> out) {
            result.f0 = key;
            result.f1 = window.getEnd();
            result.f2 = aggregate.iterator().next();
            out.collect(result);
        }
    }

    static final class Digest implements ResultSink.Digest<Tuple3<Long, Long, Long>> {
        private static final long serialVersionUID = 1L;

        @Override
        public long digest(Tuple3<Long, Long, Long> record) {
            return Formula.digestWindow(record.f0, record.f1, record.f2);
        }

        @Override
        public ResultSink.Lines<Tuple3<Long, Long, Long>> lines() {
            return new AllLines();
        }
    }

    private static final class AllLines implements ResultSink.Lines<Tuple3<Long, Long, Long>> {
        private final StringBuilder lines = new StringBuilder();

        @Override
        public void add(Tuple3<Long, Long, Long> record) {
            lines.append(record.f0).append('\t').append(record.f1).append('\t');
            lines.append(record.f2).append('\n');
        }

        @Override
        public void writeTo(Appendable out) throws IOException {
            out.append(lines);
        }
    }
}
