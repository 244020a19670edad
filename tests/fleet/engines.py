"""The shims and questions of packaging/fleet/sql on engines that run here: DuckDB and Spark."""
import pathlib

SQL = pathlib.Path(__file__).resolve().parents[2] / "packaging/fleet/sql"


def statements(path):
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip().strip(";")]


def question(name):
    return (SQL / "questions" / f"{name}.sql").read_text()


class DuckDb:
    name = "DuckDB"

    def __init__(self, work):
        import duckdb
        self.database = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(work / "spill")})

    def load(self, files, **given):
        # What was refused before is another case's.
        for table in ("reject_errors", "reject_scans"):
            self.database.execute(f"DROP TABLE IF EXISTS {table}")
        for name, value in {"events": [str(path) for path in files], **given}.items():
            self.database.execute(f"SET VARIABLE {name} = $1", [value])
        for statement in statements(SQL / "duckdb.sql"):
            self.database.execute(statement)

    def ask(self, name):
        return self.database.execute(question(name)).fetchall()

    def ask_refused(self):
        """File, line and reason of each line that is not in the answer."""
        return self.database.execute("SELECT file, line, why FROM unread").fetchall()


# What tells two cases apart in one table: the directory that a file lies in.
CASES = """
SELECT * EXCEPT (chain, head_chain, after_chain, uid, place),
  concat(place, CASE WHEN kind = 'stray' THEN coalesce(chain, head_chain, '-') ELSE chain END) AS chain,
  concat(place, head_chain) AS head_chain, concat(place, after_chain) AS after_chain, concat(place, uid) AS uid
FROM (SELECT *, concat(regexp_extract(file, 'cases/([0-9]+)/', 1), '/') AS place FROM every_line) l
"""


class Spark:
    """Takes all cases in one go: each question costs Spark seconds, however little it is about."""
    name = "Spark"

    def __init__(self, work):
        from pyspark.sql import SparkSession
        builder = SparkSession.builder.master("local[2]").appName("fleet")
        for key, value in {
            "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "1g",
            "spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false",
            # A few thousand rows: compiling the plans takes longer than running them.
            "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(work / "spark"), "spark.sql.warehouse.dir": str(work / "warehouse"),
        }.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def load(self, files, **given):
        for name, value in {"events": files, **given}.items():
            self.session.conf.set(f"agent.{name}", str(value))
        for statement in statements(SQL / "spark.sql"):
            self.session.sql(statement)
        # What was read is kept as rows: planning the reading anew for each of a question's parts takes minutes.
        self.session.table("event_line").localCheckpoint().createOrReplaceTempView("event_line")

    def keep_cases_apart(self):
        """Chains and uids of each case are its own from here on; the lines and their digests are as they were read."""
        self.session.table("event_line").createOrReplaceTempView("every_line")
        self.session.sql(CASES).localCheckpoint().createOrReplaceTempView("event_line")
        declared = next(s for s in statements(SQL / "spark.sql") if "VIEW declared" in s)
        self.session.sql(declared)

    def ask(self, name):
        return [tuple(row) for row in self.session.sql(question(name)).collect()]
