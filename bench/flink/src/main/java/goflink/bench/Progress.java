package goflink.bench;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * One subtask's slot of the progress file: eight bytes, little endian, at {@code 64 * subtask}. The
 * runner maps the same file, so telling it something costs one store.
 */
final class Progress {
    private static final long SLOT_BYTES = 64;

    private final MappedByteBuffer slot;

    Progress(String file, int subtask) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        Path.of(file), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            slot = channel.map(FileChannel.MapMode.READ_WRITE, subtask * SLOT_BYTES, Long.BYTES);
        }
        slot.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Says that this subtask has read {@code records} records so far. */
    void set(long records) {
        slot.putLong(0, records);
    }
}
