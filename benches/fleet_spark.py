"""The chains of a fleet by Spark, with as many threads as partitions; see fleet_engines.sh. Says how evenly the rows fill
the partitions: a chain is in one of them, whole."""
import json
import pathlib
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/fleet"))
import engines  # noqa: E402


# Bytes of events.
SMALL = 64 << 20


def session(partitions, spill, small):
    from pyspark.sql import SparkSession
    builder = SparkSession.builder.master(f"local[{partitions}]").appName("fleet")
    for key, value in {
        "spark.ui.enabled": "true", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "3g",
        "spark.sql.shuffle.partitions": str(partitions), "spark.sql.adaptive.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.local.dir": spill,
        "spark.sql.warehouse.dir": f"{spill}/warehouse", "spark.ui.retainedTasks": "100000",
        # For some thousand rows compiling the plans takes longer than running them.
        **({"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"} if small else {}),
    }.items():
        builder = builder.config(key, value)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    return started


def shares(spark):
    """Rows that each task of the stage that read most of others' rows had."""
    context = spark.sparkContext
    base = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages"

    def read(url):
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)

    stage = max(read(f"{base}?status=complete"), key=lambda one: one["shuffleReadRecords"])
    tasks = read(f"{base}/{stage['stageId']}/{stage['attemptId']}/taskList?length=1000")
    return [task["taskMetrics"]["shuffleReadMetrics"]["recordsRead"] for task in tasks]


def main():
    directory, partitions, spill = sys.argv[1:]
    size = sum(path.stat().st_size for path in pathlib.Path(directory).iterdir())
    spark = session(partitions, spill, size < SMALL)
    for name, value in {"events": directory, "expected": "/dev/null", "catalogue": "/dev/null", "now_ms": 0,
                        "silent_ms": 900000}.items():
        spark.conf.set(f"agent.{name}", str(value))
    began = time.monotonic()
    for statement in engines.statements(engines.SQL / "spark.sql"):
        if "expected_host" not in statement and "image_catalogue" not in statement:
            spark.sql(statement)
    read = time.monotonic() - began
    rows = spark.sql(engines.question("chain")).collect()
    asked = time.monotonic() - began - read
    print(f"{len(rows)} rows; read {read:.1f} s, asked {asked:.1f} s; rows in the partitions: "
          f"{' '.join(map(str, sorted(shares(spark))))}")


if __name__ == "__main__":
    main()
