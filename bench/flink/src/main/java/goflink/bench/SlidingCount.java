package goflink.bench;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;

/** Counts per key in event-time windows of 60 s that start every second. */
final class SlidingCount {
    private static final TypeInformation<Tuple2<Long, Long>> EVENT =
            TypeInformation.of(new TypeHint<>() {});

    private SlidingCount() {}

    static void build(StreamExecutionEnvironment env, Options options) {
        WatermarkStrategy<Tuple2<Long, Long>> watermarks =
                WatermarkStrategy.<Tuple2<Long, Long>>forMonotonousTimestamps()
                        .withTimestampAssigner((event, before) -> event.f1);
        env.fromSource(
                        new EventSource<>(options, new Events(options.seed), EVENT),
                        watermarks,
                        "events")
                .keyBy(event -> event.f0, Types.LONG)
                .window(SlidingEventTimeWindows.of(Duration.ofSeconds(60), Duration.ofSeconds(1)))
                .aggregate(new Count(), new WindowResult.Emit(), Types.LONG, WindowResult.TYPE)
                .sinkTo(new ResultSink<>(options, new WindowResult.Digest()));
    }

    /** Makes (key, time in ms). */
    private static final class Events implements EventSource.Generator<Tuple2<Long, Long>> {
        private static final long serialVersionUID = 1L;

        private final long seed;
        private final Tuple2<Long, Long> event = new Tuple2<>();

        Events(long seed) {
            this.seed = seed;
        }

        @Override
        public Tuple2<Long, Long> generate(long i) {
            event.f0 = Formula.key(Formula.mix(i + seed), Formula.SLIDING_KEYS);
            event.f1 = Formula.time(i);
            return event;
        }
    }

    private static final class Count implements AggregateFunction<Tuple2<Long, Long>, Long, Long> {
        private static final long serialVersionUID = 1L;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Tuple2<Long, Long> event, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }
}
