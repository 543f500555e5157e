"""Views of the ledger for maps: what an office's 电子地图 may show, and nothing of persons.

They lie in a schema of their own, so that a role that serves maps needs no right to the ledger.
"""

from __future__ import annotations

import sqlalchemy as sa

OPEN_SCHEMA = "siluan_open"

# Issued, and neither decided nor closed: the cases that people hold.
_CASES = """
CREATE OR REPLACE VIEW siluan_open.cases AS
SELECT case_id, kind,
  CASE kind WHEN 'zhan' THEN '乱占' WHEN 'cai' THEN '乱采' WHEN 'dui' THEN '乱堆'
    WHEN 'jian' THEN '乱建' ELSE '其他' END AS kind_zh,
  status, evidence_state, corridor_id, revision,
  CAST(CAST(body AS json) ->> 'area_m2' AS double precision) AS area_m2,
  CAST(body AS json) -> 'attribution' ->> 'county_code' AS county_code,
  CAST(body AS json) -> 'attribution' ->> 'county_zh' AS county_zh,
  left(CAST(body AS json) -> 'evidence' ->> 'first_seen', 10) AS first_seen,
  left(CAST(body AS json) -> 'evidence' ->> 'last_seen', 10) AS last_seen,
  '疑似，仅为线索，不作为处罚依据' AS notice,
  shape
FROM siluan.cases
WHERE merged_into IS NULL AND status IN ('issued', 'verified', 'rectifying', 'relapsed')
"""


def create_views(connection: sa.Connection) -> None:
    """Make the views, or bring them up to date; new columns can only be added at the end."""
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {OPEN_SCHEMA}")
    connection.exec_driver_sql(_CASES)
