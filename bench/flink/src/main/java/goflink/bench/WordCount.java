package goflink.bench;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;

/** Text files → words → rolling count per word. */
final class WordCount {
    private static final TypeInformation<Tuple2<String, Long>> COUNT =
            TypeInformation.of(new TypeHint<>() {});

    private WordCount() {}

    static void build(StreamExecutionEnvironment env, Options options) {
        FileSource<String> text =
                FileSource.forRecordStreamFormat(
                                new TextLineInputFormat("UTF-8"), new Path(options.input))
                        .build();
        env.fromSource(text, WatermarkStrategy.noWatermarks(), "text")
                .flatMap(new Split(options.progress))
                .returns(COUNT)
                .keyBy(word -> word.f0, Types.STRING)
                .sum(1)
                .sinkTo(new ResultSink<>(options, new Digest()));
    }

    /** Splits at white space, by hand, into one reused tuple, and counts the words read. */
    private static final class Split extends RichFlatMapFunction<String, Tuple2<String, Long>> {
        private static final long serialVersionUID = 1L;
        private static final long PROGRESS_LINES_MASK = 255;

        private final String file;
        private transient Tuple2<String, Long> word;
        private transient Progress progress;
        private transient long lines;
        private transient long words;

        Split(String file) {
            this.file = file;
        }

        @Override
        public void open(OpenContext context) throws IOException {
            word = new Tuple2<>("", 1L);
            int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
            progress = new Progress(file, subtask);
        }

        @Override
        public void flatMap(String line, Collector<Tuple2<String, Long>> out) {
            int length = line.length();
            int at = 0;
            while (true) {
                while (at < length && line.charAt(at) <= ' ') {
                    at++;
                }
                if (at == length) {
                    break;
                }
                int start = at;
                while (at < length && line.charAt(at) > ' ') {
                    at++;
                }
                word.f0 = line.substring(start, at);
                words++;
                out.collect(word);
            }
            if ((++lines & PROGRESS_LINES_MASK) == 0) {
                progress.set(words);
            }
        }

        @Override
        public void close() {
            if (progress != null) {
                progress.set(words);
            }
        }
    }

    private static final class Digest implements ResultSink.Digest<Tuple2<String, Long>> {
        private static final long serialVersionUID = 1L;

        @Override
        public long digest(Tuple2<String, Long> record) {
            return Formula.digestWord(record.f0, record.f1);
        }

        @Override
        public ResultSink.Lines<Tuple2<String, Long>> lines() {
            return new FinalCounts();
        }
    }

    /** Keeps the highest count per word: the counts of a word rise by one. */
    private static final class FinalCounts implements ResultSink.Lines<Tuple2<String, Long>> {
        private final Map<String, Long> counts = new HashMap<>();

        @Override
        public void add(Tuple2<String, Long> record) {
            counts.merge(record.f0, record.f1, Math::max);
        }

        @Override
        public void writeTo(Appendable out) throws IOException {
            for (Map.Entry<String, Long> count : counts.entrySet()) {
                out.append(count.getKey()).append('\t');
                out.append(count.getValue().toString()).append('\n');
            }
        }
    }
}
