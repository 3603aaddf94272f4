package goflink.bench;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource.NumberSequenceSplit;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceReaderBase;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.util.NumberSequenceIterator;

/**
 * Emits the events of the contract. Its splits are those of Flink's own {@link
 * NumberSequenceSource}: split s of p holds the numbers from s*n/p on, and its j-th number stands
 * for event j*p+s. Each subtask is given the split of its own number, so that event time rises in
 * all subtasks together.
 */
final class EventSource<E>
        implements Source<E, NumberSequenceSplit, Collection<NumberSequenceSplit>>,
                ResultTypeQueryable<E> {
    private static final long serialVersionUID = 1L;

    /** Makes the record of one event. */
    interface Generator<E> extends Serializable {
        E generate(long event);
    }

    private final NumberSequenceSource numbers;
    private final Options options;
    private final Generator<E> generator;
    private final TypeInformation<E> type;

    EventSource(Options options, Generator<E> generator, TypeInformation<E> type) {
        this.numbers = new NumberSequenceSource(0, options.events - 1);
        this.options = options;
        this.generator = generator;
        this.type = type;
    }

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public TypeInformation<E> getProducedType() {
        return type;
    }

    @Override
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> createEnumerator(
            SplitEnumeratorContext<NumberSequenceSplit> context) {
        long perSplit = options.events / options.parallelism;
        List<NumberSequenceSplit> splits = new ArrayList<>();
        for (int s = 0; s < options.parallelism; s++) {
            splits.add(
                    new NumberSequenceSplit(
                            Integer.toString(s), s * perSplit, (s + 1) * perSplit - 1));
        }
        return new OneEach(context, splits);
    }

    @Override
    public SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> restoreEnumerator(
            SplitEnumeratorContext<NumberSequenceSplit> context,
            Collection<NumberSequenceSplit> checkpoint) {
        return new OneEach(context, checkpoint);
    }

    @Override
    public SimpleVersionedSerializer<NumberSequenceSplit> getSplitSerializer() {
        return numbers.getSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<Collection<NumberSequenceSplit>>
            getEnumeratorCheckpointSerializer() {
        return numbers.getEnumeratorCheckpointSerializer();
    }

    @Override
    public SourceReader<E, NumberSequenceSplit> createReader(SourceReaderContext context) {
        return new Reader<>(context, options, generator);
    }

    /** Hands split s to subtask s. */
    private static final class OneEach
            implements SplitEnumerator<NumberSequenceSplit, Collection<NumberSequenceSplit>> {
        private final SplitEnumeratorContext<NumberSequenceSplit> context;
        private final Map<String, NumberSequenceSplit> unassigned = new HashMap<>();

        OneEach(
                SplitEnumeratorContext<NumberSequenceSplit> context,
                Collection<NumberSequenceSplit> splits) {
            this.context = context;
            splits.forEach(split -> unassigned.put(split.splitId(), split));
        }

        @Override
        public void start() {}

        @Override
        public void handleSplitRequest(int subtask, String host) {
            NumberSequenceSplit split = unassigned.remove(Integer.toString(subtask));
            if (split == null) {
                context.signalNoMoreSplits(subtask);
            } else {
                context.assignSplit(split, subtask);
            }
        }

        @Override
        public void addSplitsBack(List<NumberSequenceSplit> splits, int subtask) {
            splits.forEach(split -> unassigned.put(split.splitId(), split));
        }

        @Override
        public void addReader(int subtask) {}

        @Override
        public Collection<NumberSequenceSplit> snapshotState(long checkpoint) {
            return List.copyOf(unassigned.values());
        }

        @Override
        public void close() {}
    }

    private static final class Reader<E>
            extends IteratorSourceReaderBase<
                    Long, E, NumberSequenceIterator, NumberSequenceSplit> {
        private static final long PROGRESS_MASK = 1023;

        private final Generator<E> generator;
        private final Progress progress;
        private final long parallelism;
        private final long perSplit;
        private long splitStart;
        private long splitEnd;
        private long split;
        private long records;

        Reader(SourceReaderContext context, Options options, Generator<E> generator) {
            super(context);
            this.generator = generator;
            parallelism = options.parallelism;
            perSplit = options.events / parallelism;
            try {
                progress = new Progress(options.progress, context.getIndexOfSubtask());
            } catch (IOException e) {
                throw new UncheckedIOException("progress file " + options.progress, e);
            }
        }

        @Override
        protected E convert(Long boxed) {
            long number = boxed;
            if (number < splitStart || number >= splitEnd) {
                split = number / perSplit;
                splitStart = split * perSplit;
                splitEnd = splitStart + perSplit;
            }
            if ((++records & PROGRESS_MASK) == 0) {
                progress.set(records);
            }
            return generator.generate((number - splitStart) * parallelism + split);
        }

        @Override
        public void close() throws Exception {
            progress.set(records);
            super.close();
        }
    }
}
