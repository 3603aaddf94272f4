package goflink.bench;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;

/** Sums per key in event-time windows of 10 s; the runner gives it two processes. */
final class TumblingSum {
    private static final TypeInformation<Tuple3<Long, Long, Long>> EVENT =
            TypeInformation.of(new TypeHint<>() {});

    private TumblingSum() {}

    static void build(StreamExecutionEnvironment env, Options options) {
        WatermarkStrategy<Tuple3<Long, Long, Long>> watermarks =
                WatermarkStrategy.<Tuple3<Long, Long, Long>>forMonotonousTimestamps()
                        .withTimestampAssigner((event, before) -> event.f2);
        env.fromSource(
                        new EventSource<>(options, new Events(options.seed), EVENT),
                        watermarks,
                        "events")
                .keyBy(event -> event.f0, Types.LONG)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(10)))
                .aggregate(new Sum(), new WindowResult.Emit(), Types.LONG, WindowResult.TYPE)
                .sinkTo(new ResultSink<>(options, new WindowResult.Digest()));
    }

    /** Makes (key, value, time in ms). */
    private static final class Events
            implements EventSource.Generator<Tuple3<Long, Long, Long>> {
        private static final long serialVersionUID = 1L;

        private final long seed;
        private final Tuple3<Long, Long, Long> event = new Tuple3<>();

        Events(long seed) {
            this.seed = seed;
        }

        @Override
        public Tuple3<Long, Long, Long> generate(long i) {
            long bits = Formula.mix(i + seed);
            event.f0 = Formula.key(bits, Formula.TUMBLING_KEYS);
            event.f1 = Formula.value(bits);
            event.f2 = Formula.time(i);
            return event;
        }
    }

    private static final class Sum
            implements AggregateFunction<Tuple3<Long, Long, Long>, Long, Long> {
        private static final long serialVersionUID = 1L;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Tuple3<Long, Long, Long> event, Long sum) {
            return sum + event.f1;
        }

        @Override
        public Long getResult(Long sum) {
            return sum;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }
}
