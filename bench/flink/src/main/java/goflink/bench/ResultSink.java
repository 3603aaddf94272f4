package goflink.bench;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/**
 * Discards its records but keeps how many there were and the sum of their digests, which does not
 * depend on their order, and writes both at the end of input. Under --verify it also writes
 * records.
 */
final class ResultSink<T> implements Sink<T> {
    private static final long serialVersionUID = 1L;

    /** What a sink must know of its records' type. */
    interface Digest<T> extends Serializable {
        long digest(T record);

        /** Collects the records to be written under --verify; one per subtask. */
        Lines<T> lines();
    }

    /** The lines of one subtask's records file. */
    interface Lines<T> {
        void add(T record);

        void writeTo(Appendable out) throws IOException;
    }

    private final Options options;
    private final Digest<T> digest;

    ResultSink(Options options, Digest<T> digest) {
        this.options = options;
        this.digest = digest;
    }

    @Override
    public SinkWriter<T> createWriter(WriterInitContext context) {
        return new Writer<>(options, digest, context.getTaskInfo().getIndexOfThisSubtask());
    }

    private static final class Writer<T> implements SinkWriter<T> {
        private final Path directory;
        private final Digest<T> digest;
        private final Lines<T> lines;
        private final int subtask;
        private long records;
        private long sum;

        Writer(Options options, Digest<T> digest, int subtask) {
            this.directory = Path.of(options.result);
            this.digest = digest;
            this.lines = options.verify ? digest.lines() : null;
            this.subtask = subtask;
        }

        @Override
        public void write(T record, Context context) {
            records++;
            sum += digest.digest(record);
            if (lines != null) {
                lines.add(record);
            }
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
            if (!endOfInput) {
                return;
            }
            if (lines != null) {
                writeFile("records-" + subtask + ".tsv", lines::writeTo);
            }
            writeFile(
                    "checksum-" + subtask + ".txt",
                    out -> out.append(String.format("%d %016x%n", records, sum)));
        }

        private void writeFile(String name, Content content) throws IOException {
            Path temporary = directory.resolve(name + ".tmp");
            try (BufferedWriter out =
                    Files.newBufferedWriter(temporary, StandardCharsets.UTF_8)) {
                content.writeTo(out);
            }
            Files.move(temporary, directory.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        }

        @Override
        public void close() {}
    }

    private interface Content {
        void writeTo(Appendable out) throws IOException;
    }
}
