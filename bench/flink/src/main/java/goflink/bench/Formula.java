package goflink.bench;

/**
 * The arithmetic of the benchmark contract: every event, and every digest of a result, is a pure
 * function defined in bench/README.md, so that two engines can be compared on equal input.
 */
final class Formula {
    /** Milliseconds of event time are {@code event number / EVENTS_PER_MS}. */
    static final long EVENTS_PER_MS = 100;

    static final long SLIDING_KEYS = 100_000;
    static final long TUMBLING_KEYS = 1_000_000;

    private Formula() {}

    /**
     * The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
     * Generators, OOPSLA 2014), one step from state {@code x}.
     */
    static long mix(long x) {
        long z = x + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /** Key of an event whose random bits are {@code bits}, out of {@code keys} keys. */
    static long key(long bits, long keys) {
        return (bits >>> 1) % keys;
    }

    /** Value 0..1023 of an event whose random bits are {@code bits}. */
    static long value(long bits) {
        return bits >>> 54;
    }

    static long time(long event) {
        return event / EVENTS_PER_MS;
    }

    static long digestWindow(long key, long windowEnd, long value) {
        return mix(mix(mix(key) + windowEnd) + value);
    }

    /** Goes by three letters and the length, which costs both sides the same. */
    static long digestWord(String word, long count) {
        int n = word.length();
        long h = ((long) word.charAt(0) << 56) + ((long) word.charAt(n / 2) << 48)
                + ((long) word.charAt(n - 1) << 40) + ((long) n << 32);
        return mix(h + count);
    }

    static long chainFirst(long x) {
        return x * 6364136223846793005L + 1442695040888963407L;
    }

    /** Keeps seven numbers out of eight. */
    static boolean chainKeep(long x) {
        return (x >>> 61) != 0;
    }

    static long chainSecond(long x) {
        return x ^ (x >>> 29);
    }
}
