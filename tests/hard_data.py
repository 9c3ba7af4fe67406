"""A database with every hard thing at once: what a copy by statements changes, loses or refuses.

Each part is run in a session of its own, because half of what is hard is the session's: its
sql_mode, time zone and character set are kept with what it makes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DATABASE = "hard"
ODD_DATABASE = "dä ta-b.ase 'x' `y`"
BIG_BYTES = 30 * 1024 * 1024
"""Of each of two columns of one row: together more than max_allowed_packet (52M)."""
LONG_NAME = "é" * 64
LONG_DATABASE = "d" * 63 + "-"
"""5.6.24 logs a statement in a database with 64 characters of two bytes as an empty one, at which
each slave stops."""


@dataclass(frozen=True)
class Part:
    statements: tuple[str, ...]
    mode: str = ""
    charset: str = "utf8"
    zone: str = "+00:00"
    codec: str = "utf-8"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


ODD = quoted(ODD_DATABASE)

FLOATS = Part(
    (
        "CREATE TABLE floats (id INT PRIMARY KEY, f FLOAT, d DOUBLE, r REAL, dec1 DECIMAL(65,30),"
        " fu FLOAT(10,3) UNSIGNED ZEROFILL)",
        "INSERT INTO floats VALUES (1, 16777216, 1.7976931348623157e308, -0.0, -0.5, 1),"
        " (2, 123456.7890625, 2.2250738585072014e-308, 0.1, 1, 2),"
        " (3, 0.12345679, 4.9e-324, 1e-300, 2, 3), (4, 1234567.8, 0.1e0 + 0.2e0, 1/3, 3, 4),"
        " (5, 3.4028234e38, 1.0000000000000002, 9007199254740993, 4, 5.125)",
        "CREATE TABLE floats_without_key (f FLOAT, d DOUBLE, t VARCHAR(20))",
        "INSERT INTO floats_without_key VALUES (1.2345678, 0.1, 'a'), (16777217, 1e300, 'a'),"
        " (1.2345678, 0.1, 'a'), (NULL, NULL, NULL)",
    )
)

KINDS = Part(
    (
        "CREATE TABLE kinds (id INT(8) ZEROFILL PRIMARY KEY, b BIT(64), b1 BIT(1), y YEAR,"
        " y2 YEAR(4), t TIMESTAMP(6) NULL, dt DATETIME(6), d DATE, tm TIME(3), s SET('a','b','ç'),"
        " vb VARBINARY(20), bin BINARY(4), bl BLOB, z BIGINT UNSIGNED ZEROFILL, g GEOMETRY,"
        " c0 CHAR(0))",
        "INSERT INTO kinds VALUES (7, b'1', 1, 1901, 2155, '1970-01-01 00:00:01.000001',"
        " '9999-12-31 23:59:59.999999', '0000-00-00', '-838:59:59.000', 'a,ç', X'6100620A63',"
        " X'0001', X'00FF5C27', 18446744073709551615, POINT(1.1, 2.2), ''),"
        " (8, X'FFFFFFFFFFFFFFFF', 0, 0, 0, NULL, '0000-00-00 00:00:00', '2025-00-31',"
        " '00:00:00.001', '', '', '', '', 0, NULL, NULL)",
        "CREATE TABLE moments (id INT PRIMARY KEY, t TIMESTAMP DEFAULT '0000-00-00 00:00:00',"
        " u TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))",
        "INSERT INTO moments (id) VALUES (1)",
        r"CREATE TABLE texts (id INT PRIMARY KEY, v VARCHAR(200))",
        r"INSERT INTO texts VALUES (1, 'C:\\new\\table'), (2, 'a;\nb'), (3, '\0\Z\'"
        r"\"%s%%--'), (4, '-- no\n/*!50000 x */')",
    )
)

CHARSETS = Part(
    (
        "CREATE TABLE in_latin1 (id INT PRIMARY KEY, c ENUM('programmée','ü'),"
        " d VARCHAR(20) DEFAULT 'ñandú', `né` CHAR(5) COMMENT 'é è') CHARSET latin1 COMMENT 'à'",
        "INSERT INTO in_latin1 (id, c, `né`) VALUES (1, 'programmée', 'é'), (2, 'ü', 'ß')",
        "CREATE TABLE in_gbk (id INT PRIMARY KEY, c ENUM('中','文'), d VARCHAR(20) DEFAULT '中文')"
        " CHARSET gbk",
        "INSERT INTO in_gbk (id, c) VALUES (1, '中'), (2, '文')",
        "CREATE TABLE in_utf8 (id INT PRIMARY KEY, c ENUM('é','中'), d VARCHAR(20) DEFAULT 'ñ')"
        " CHARSET utf8",
        "INSERT INTO in_utf8 (id, c) VALUES (1, '中')",
        "CREATE TABLE in_utf8mb4 (id INT PRIMARY KEY, v VARCHAR(20)) CHARSET utf8mb4",
        "INSERT INTO in_utf8mb4 VALUES (1, _utf8mb4 X'F09F9880'), (2, 'é')",
        "CREATE TABLE in_binary (id INT PRIMARY KEY, c ENUM('é','b'), v VARCHAR(20) DEFAULT 'é')"
        " CHARSET binary",
        "INSERT INTO in_binary (id, c) VALUES (1, 'é')",
        "CREATE TABLE in_ucs2 (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'é') CHARSET ucs2",
        "INSERT INTO in_ucs2 (id) VALUES (1)",
        "CREATE TABLE in_sjis (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'ソ') CHARSET sjis"
        " COLLATE sjis_bin",
        "INSERT INTO in_sjis (id) VALUES (1)",
        "CREATE TABLE in_many (id INT PRIMARY KEY, a VARCHAR(9) CHARSET latin1 COLLATE"
        " latin1_german2_ci, b VARCHAR(9) CHARSET gbk, c VARCHAR(9) CHARSET utf16) CHARSET utf8",
        "INSERT INTO in_many VALUES (1, 'ä', '中', 'é')",
    )
)

ENGINES = Part(
    (
        # MySQL's default file format knows neither; of the server alone, and not replicated.
        "SET @before = @@GLOBAL.innodb_file_format",
        "SET GLOBAL innodb_file_format = Barracuda",
        *(
            f"CREATE TABLE rows_{form} (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT, n INT, KEY (n))"
            f" ENGINE=InnoDB ROW_FORMAT={form}{more}"
            for form, more in (
                ("COMPACT", ""),
                ("REDUNDANT", ""),
                ("DYNAMIC", ""),
                ("COMPRESSED", " KEY_BLOCK_SIZE=4"),
            )
        ),
        *(
            f"INSERT INTO rows_{form} (v, n) VALUES (REPEAT('é', 20000), 1), ('', 2), (NULL, 3)"
            for form in ("COMPACT", "REDUNDANT", "DYNAMIC", "COMPRESSED")
        ),
        "SET GLOBAL innodb_file_format = @before",
        "CREATE TABLE my (id INT AUTO_INCREMENT PRIMARY KEY, v FLOAT, t VARCHAR(20))"
        " ENGINE=MyISAM ROW_FORMAT=DYNAMIC CHECKSUM=1 DELAY_KEY_WRITE=1 MAX_ROWS=1000",
        "INSERT INTO my (v, t) VALUES (1234567.8, 'é'), (2, NULL)",
        "CREATE TABLE my_fixed (id INT, c CHAR(20)) ENGINE=MyISAM ROW_FORMAT=FIXED",
        "INSERT INTO my_fixed VALUES (1, 'a'), (1, 'a')",
        "CREATE TABLE mem (id INT PRIMARY KEY, v VARCHAR(20), KEY (v) USING BTREE) ENGINE=MEMORY",
        "INSERT INTO mem VALUES (1, 'until a restart')",
        "CREATE TABLE in_csv (a INT NOT NULL, b VARCHAR(20) NOT NULL) ENGINE=CSV",
        r"""INSERT INTO in_csv VALUES (1, 'a,"b"'), (2, 'c\nd')""",
        "CREATE TABLE in_archive (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT) ENGINE=ARCHIVE",
        "INSERT INTO in_archive (v) VALUES ('kept'), (REPEAT('é', 10000))",
        "CREATE TABLE in_blackhole (a INT) ENGINE=BLACKHOLE",
        "INSERT INTO in_blackhole VALUES (1)",
        "CREATE TABLE m1 (a INT, KEY (a)) ENGINE=MyISAM",
        "CREATE TABLE m2 (a INT, KEY (a)) ENGINE=MyISAM",
        "INSERT INTO m1 VALUES (1)",
        "INSERT INTO m2 VALUES (2)",
        "CREATE TABLE merged (a INT, KEY (a)) ENGINE=MERGE UNION=(m1, m2) INSERT_METHOD=LAST",
        "INSERT INTO merged VALUES (3)",
        "CREATE TABLE merged_nothing (a INT) ENGINE=MERGE UNION=(never_was)",
        "CREATE TABLE fulltexts (id INT PRIMARY KEY, body TEXT, FULLTEXT KEY words (body))"
        " ENGINE=InnoDB",
        "INSERT INTO fulltexts VALUES (1, 'the quick brown fox'), (2, 'élan vital')",
        "DELETE FROM fulltexts WHERE id = 1",
        "CREATE TABLE fulltexts_my (id INT PRIMARY KEY, body TEXT, FULLTEXT KEY (body))"
        " ENGINE=MyISAM",
        "INSERT INTO fulltexts_my VALUES (1, 'the quick brown fox')",
        "CREATE TABLE of_four (id INT, d INT, KEY (d)) ENGINE=MyISAM PARTITION BY HASH(d)"
        " PARTITIONS 4",
        "INSERT INTO of_four VALUES (1, 1), (2, 2), (3, 3), (NULL, NULL)",
        "CREATE TABLE of_ranges (id INT AUTO_INCREMENT, d DATE, v VARCHAR(10), PRIMARY KEY (id, d))"
        " ENGINE=InnoDB PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (TO_DAYS(d))"
        " SUBPARTITIONS 2 (PARTITION `p é` VALUES LESS THAN (2000) COMMENT = 'old',"
        " PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "INSERT INTO of_ranges (d, v) VALUES ('1999-01-01', 'a'), ('2020-02-29', 'b')",
        "CREATE TABLE of_lists (c VARCHAR(5), KEY (c)) CHARSET utf8 PARTITION BY LIST COLUMNS (c)"
        " (PARTITION a VALUES IN ('é', 'x'), PARTITION b VALUES IN ('中'))",
        "INSERT INTO of_lists VALUES ('é'), ('中')",
        "CREATE TABLE parents (id INT PRIMARY KEY, other INT, KEY (other),"
        " CONSTRAINT own FOREIGN KEY (other) REFERENCES parents (id)) ENGINE=InnoDB",
        "CREATE TABLE children (id INT PRIMARY KEY, p INT, CONSTRAINT `fk é` FOREIGN KEY (p)"
        " REFERENCES parents (id) ON DELETE CASCADE ON UPDATE SET NULL) ENGINE=InnoDB",
        "INSERT INTO parents VALUES (1, NULL), (2, 1)",
        "INSERT INTO children VALUES (1, 1), (2, 2)",
        "SET FOREIGN_KEY_CHECKS = 0",
        "CREATE TABLE orphans (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES nowhere (id))"
        " ENGINE=InnoDB",
        "INSERT INTO orphans VALUES (1, 9)",
        "SET FOREIGN_KEY_CHECKS = 1",
        "CREATE TABLE without_key (a INT, b VARCHAR(10)) ENGINE=InnoDB",
        "INSERT INTO without_key VALUES (1, 'a'), (1, 'a'), (NULL, NULL)",
        "CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 1000001",
        "INSERT INTO numbered VALUES (), ()",
        "CREATE TABLE zero (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
        "INSERT INTO zero VALUES (5, 5)",
        "UPDATE zero SET id = 0",
    )
)

BIG = Part(
    (
        "CREATE TABLE big (id INT PRIMARY KEY, a LONGBLOB, b LONGBLOB) ENGINE=InnoDB",
        "INSERT INTO big VALUES (1, '', '')",
        f"UPDATE big SET a = REPEAT('a', {BIG_BYTES})",
        f"UPDATE big SET b = REPEAT('b', {BIG_BYTES})",
        "CREATE TABLE filled (id INT AUTO_INCREMENT PRIMARY KEY, k INT, t CHAR(200), KEY (k))",
        "INSERT INTO filled (k, t) VALUES (1, REPEAT('x', 200))",
        *("INSERT INTO filled (k, t) SELECT k + id, t FROM filled",) * 14,
    )
)

ODD_NAMES = (
    "t.t",
    'it\'s "quoted" ``twice``',
    "a b %s/../x",
    "#sql-like",
    "#mysql50",
    "#mysql51#a-b",
    "täble ñ 中",
    "CON",
    "select",
    "@0",
    "1e3",
    "Big and small",
    "big AND SMALL",
    LONG_NAME,
    "x" * 64,
)

NAMES = Part(
    (
        f"CREATE DATABASE {ODD} CHARSET latin1 COLLATE latin1_german1_ci",
        *(
            f"CREATE TABLE {ODD}.{quoted(name)} (id INT PRIMARY KEY,"
            f" {quoted(name[:60] + ' c')} INT COMMENT 'ö;\\n')"
            for name in ODD_NAMES
        ),
        *(
            f"INSERT INTO {ODD}.{quoted(name)} VALUES ({number}, 1)"
            for number, name in enumerate(ODD_NAMES)
        ),
        f"CREATE DATABASE {quoted(LONG_DATABASE)}",
        f"CREATE TABLE {quoted(LONG_DATABASE)}.{quoted(LONG_NAME)} (id INT PRIMARY KEY)",
        f"INSERT INTO {quoted(LONG_DATABASE)}.{quoted(LONG_NAME)} VALUES (1)",
        "CREATE DATABASE `#db.with-dash` CHARSET gbk",
        "CREATE TABLE `#db.with-dash`.t (id INT PRIMARY KEY, v VARCHAR(9) DEFAULT '中')",
        "INSERT INTO `#db.with-dash`.t (id) VALUES (1)",
        "CREATE DATABASE `of nothing`",
        # As a file would be called that is of the server and not of its data.
        "CREATE DATABASE core",
        "CREATE TABLE core.t (id INT PRIMARY KEY) ENGINE=InnoDB",
        "INSERT INTO core.t VALUES (1)",
    )
)

VIEWS = Part(
    (
        "CREATE FUNCTION always_one() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE VIEW plain AS SELECT id, c FROM in_latin1 WHERE c = 'programmée'",
        "CREATE VIEW over_function AS SELECT always_one() AS x",
        "CREATE VIEW over_view AS SELECT * FROM over_function",
        "CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `vïew .;'` AS SELECT id FROM floats"
        " WHERE id > 1 WITH LOCAL CHECK OPTION",
        "CREATE TABLE will_go (id INT)",
        "CREATE VIEW over_dropped_table AS SELECT * FROM will_go",
        "CREATE VIEW over_broken_view AS SELECT * FROM over_dropped_table",
        "DROP TABLE will_go",
        "CREATE FUNCTION will_go() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE VIEW over_dropped_function AS SELECT will_go() AS x",
        "DROP FUNCTION will_go",
        "CREATE DEFINER='gone'@'nowhere' VIEW of_nobody AS SELECT 1 AS a",
    )
)

PROGRAMS = (
    Part(
        (
            'CREATE FUNCTION "in ansi"(a VARCHAR(9), b VARCHAR(9)) RETURNS VARCHAR(30)'
            " DETERMINISTIC RETURN a || b || 'x'",
            'CREATE PROCEDURE "by ansi"() SELECT "id" FROM "floats"',
            "CREATE VIEW \"view of ansi\" AS SELECT 'a' || 'b' AS \"x y\"",
        ),
        mode="ANSI_QUOTES,PIPES_AS_CONCAT",
    ),
    Part(
        (
            "CREATE FUNCTION raw_path() RETURNS VARCHAR(30) DETERMINISTIC RETURN 'C:\\new\\table'",
            "CREATE TRIGGER raw BEFORE INSERT ON texts FOR EACH ROW SET NEW.v ="
            " CONCAT(NEW.v, '\\n')",
        ),
        mode="NO_BACKSLASH_ESCAPES",
    ),
    Part(
        (
            "CREATE PROCEDURE in_lines() BEGIN\n  -- a comment; with\n  SELECT 'one;\ntwo';\n"
            "  SELECT 'three';\nEND",
            "CREATE DEFINER='gone'@'nowhere' PROCEDURE of_nobody() SQL SECURITY INVOKER"
            " COMMENT 'é' SELECT 1",
            "CREATE TRIGGER counts AFTER UPDATE ON floats FOR EACH ROW BEGIN\n"
            "  SET @a = 'x;\ny';\nEND",
            "CREATE DEFINER='gone'@'nowhere' TRIGGER nobodys BEFORE DELETE ON floats FOR EACH ROW"
            " SET @b = 1",
        ),
        mode="STRICT_ALL_TABLES,NO_ZERO_DATE",
    ),
    Part(
        (
            "CREATE FUNCTION frenchly() RETURNS VARCHAR(9) CHARSET latin1 DETERMINISTIC"
            " RETURN 'été'",
            "CREATE VIEW `vüe` AS SELECT 'é' AS `à`",
        ),
        charset="latin1",
        codec="latin-1",
    ),
    Part(
        ("CREATE PROCEDURE chinese(IN `名` VARCHAR(9)) SELECT '中文'",),
        charset="gbk",
        codec="gbk",
    ),
)

APPLICATION = "'by_app'@'192.168.100.0/255.255.255.0'"
EVENTS = (
    Part(
        (
            f"CREATE DEFINER={APPLICATION} EVENT of_app ON SCHEDULE EVERY 1 DAY"
            " STARTS '2030-01-01 10:00:00' DO DELETE FROM floats WHERE id < 0",
            "CREATE EVENT `évent .;` ON SCHEDULE EVERY '1:30' MINUTE_SECOND STARTS"
            " '2031-01-01 00:00:00' ENDS '2032-01-01 00:00:00' ON COMPLETION PRESERVE"
            " COMMENT 'é' DO BEGIN SELECT 'a;\nb'; END",
        ),
        zone="+05:00",
        mode="PIPES_AS_CONCAT",
    ),
    Part(
        (
            "CREATE EVENT disabled ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
            "CREATE EVENT of_slave ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1",
            "CREATE EVENT ended ON SCHEDULE AT '2001-01-01 00:00:00' ON COMPLETION PRESERVE"
            " DO SELECT 1",
            "CREATE EVENT over ON SCHEDULE EVERY 1 DAY STARTS '2001-01-01 00:00:00'"
            " ENDS '2002-01-01 00:00:00' ON COMPLETION PRESERVE DO SELECT 1",
            "CREATE DEFINER='gone'@'nowhere' EVENT of_nobody ON SCHEDULE EVERY 1 MONTH DO SELECT 1",
        ),
        zone="-03:30",
    ),
    Part(
        ("CREATE EVENT by_name ON SCHEDULE EVERY 1 DAY DO SELECT 1",),
        zone="Hard/Somewhere",
    ),
)

SYSTEM = Part(
    (
        "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (9001, 'N')",
        "INSERT INTO mysql.time_zone_name VALUES ('Hard/Somewhere', 9001)",
        "INSERT INTO mysql.time_zone_transition_type VALUES (9001, 0, 1234, 0, 'HRD')",
        "INSERT INTO mysql.time_zone_transition VALUES (9001, -2147483648, 0)",
        "CREATE SERVER `fär` FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', HOST '10.0.0.9',"
        " DATABASE 'd', PORT 3306)",
    )
)

ACCOUNTS = Part(
    (
        # 5.6.24 logs the random bytes of a sha256 hash as they are: with a quote among them, each
        # slave stops at the statement.
        "SET sql_log_bin = 0",
        f"CREATE USER {APPLICATION} IDENTIFIED BY 'word'",
        f"GRANT SELECT, DELETE, EVENT ON {DATABASE}.* TO {APPLICATION}",
        "CREATE USER 'by_sha'@'%' IDENTIFIED WITH sha256_password",
        "SET old_passwords = 2",
        "SET PASSWORD FOR 'by_sha'@'%' = PASSWORD('word')",
        "SET old_passwords = 0",
        f"GRANT SELECT ON {DATABASE}.* TO 'by_sha'@'%' WITH GRANT OPTION",
        "CREATE USER 'by_old'@'10.9.9.9' IDENTIFIED WITH mysql_old_password",
        "SET old_passwords = 1",
        "SET PASSWORD FOR 'by_old'@'10.9.9.9' = PASSWORD('word')",
        "SET old_passwords = 0",
        "CREATE USER 'expired'@'%' IDENTIFIED BY 'word'",
        "ALTER USER 'expired'@'%' PASSWORD EXPIRE",
        "CREATE USER ''@'10.9.9.9' IDENTIFIED BY 'word'",
        "CREATE USER 'ñ ;''`'@'10.0.0.0/255.0.0.0' IDENTIFIED BY 'word'",
        "GRANT USAGE ON *.* TO 'expired'@'%' REQUIRE X509 WITH MAX_USER_CONNECTIONS 3",
        f"GRANT SELECT (id), UPDATE (f, d) ON {DATABASE}.floats TO 'by_sha'@'%'",
        f"GRANT INSERT ON {DATABASE}.in_latin1 TO {APPLICATION}",
        f"GRANT EXECUTE ON FUNCTION {DATABASE}.always_one TO {APPLICATION}",
        f"GRANT EXECUTE ON PROCEDURE {DATABASE}.in_lines TO 'ñ ;''`'@'10.0.0.0/255.0.0.0'",
        f"GRANT ALL ON {ODD}.* TO 'ñ ;''`'@'10.0.0.0/255.0.0.0'",
        f"CREATE TABLE {DATABASE}.granted (id INT)",
        f"GRANT SELECT ON {DATABASE}.granted TO 'by_sha'@'%'",
        f"DROP TABLE {DATABASE}.granted",
        "GRANT PROXY ON 'by_sha'@'%' TO 'expired'@'%'",
        "SET sql_log_bin = 1",
    )
)

PARTS = (
    FLOATS, KINDS, CHARSETS, ENGINES, BIG, NAMES, VIEWS, *PROGRAMS, SYSTEM, ACCOUNTS, *EVENTS,
)  # fmt: skip
VOLATILE = (f"{DATABASE}.mem",)
"""Tables that a restart empties: MEMORY."""


def make(connection: Any) -> None:
    """Makes all of it, with a connection of pymysql as root that nothing times out."""
    _run(connection, Part((f"CREATE DATABASE {DATABASE} CHARSET utf8",)))
    for part in PARTS:
        _run(connection, part, f"USE {DATABASE}")
    _run(connection, Part(()))


def remove(connection: Any) -> None:
    """Drops the databases, the accounts and the rest, whatever of them is there."""
    databases = (DATABASE, ODD_DATABASE, LONG_DATABASE, "#db.with-dash", "of nothing", "core")
    statements = [f"DROP DATABASE IF EXISTS {quoted(name)}" for name in databases]
    statements += [
        "DROP SERVER IF EXISTS `fär`",
        *(
            f"DELETE FROM mysql.{table} WHERE Time_zone_id = 9001"
            for table in (
                "time_zone", "time_zone_name", "time_zone_transition", "time_zone_transition_type",
            )
        ),
    ]  # fmt: skip
    for account in (
        APPLICATION, "'by_sha'@'%'", "'by_old'@'10.9.9.9'", "'expired'@'%'", "''@'10.9.9.9'",
        "'ñ ;''`'@'10.0.0.0/255.0.0.0'",
    ):  # fmt: skip
        # Makes it where it is not.
        statements += [f"GRANT USAGE ON *.* TO {account}", f"DROP USER {account}"]
    _run(connection, Part(tuple(statements)))


def _run(connection: Any, part: Part, *first: str) -> None:
    settings = (
        f"SET NAMES {part.charset}",
        f"SET sql_mode = '{part.mode}', time_zone = '{part.zone}'",
    )
    for statement in _encoded([*settings, *first], "utf-8") + _encoded(part.statements, part.codec):
        try:
            connection.query(statement)
        except Exception as error:
            raise AssertionError(f"{statement[:300]!r}: {error}") from error


def _encoded(statements: Iterable[str], codec: str) -> list[bytes]:
    return [each.encode(codec) for each in statements]
