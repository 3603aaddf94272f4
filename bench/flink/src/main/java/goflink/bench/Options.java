package goflink.bench;

import java.io.Serializable;

/** What the runner passes to a program: see "Flags of a side" in bench/README.md. */
final class Options implements Serializable {
    private static final long serialVersionUID = 1L;

    String program = "";
    String input = "";
    String progress = "";
    String result = "";
    long events;
    long seed = 1;
    int parallelism = 2;
    boolean verify;

    static Options parse(String[] args) {
        Options o = new Options();
        for (int i = 0; i < args.length; i++) {
            String flag = args[i];
            if (flag.equals("--verify")) {
                o.verify = true;
                continue;
            }
            if (i + 1 == args.length) {
                throw new IllegalArgumentException("flag " + flag + " needs a value");
            }
            o.set(flag, args[++i]);
        }
        o.check();
        return o;
    }

    private void set(String flag, String value) {
        switch (flag) {
            case "--program" -> program = value;
            case "--input" -> input = value;
            case "--progress" -> progress = value;
            case "--result" -> result = value;
            case "--events" -> events = Long.parseLong(value);
            case "--seed" -> seed = Long.parseLong(value);
            case "--parallelism" -> parallelism = Integer.parseInt(value);
            default ->
                    throw new IllegalArgumentException(
                            "unknown flag "
                                    + flag
                                    + ": know --program --input --progress --result --events"
                                    + " --seed --parallelism --verify");
        }
    }

    private void check() {
        if (progress.isEmpty() || result.isEmpty()) {
            throw new IllegalArgumentException("--progress and --result are required");
        }
        if (parallelism < 1) {
            throw new IllegalArgumentException("--parallelism must be at least 1");
        }
        if (program.equals("wordcount")) {
            if (input.isEmpty()) {
                throw new IllegalArgumentException("wordcount needs --input");
            }
        } else if (events <= 0 || events % parallelism != 0) {
            throw new IllegalArgumentException(
                    "--events must be a positive multiple of --parallelism, not " + events);
        }
    }
}
