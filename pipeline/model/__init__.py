"""The frozen types that pass between stages.

Conventions, everywhere: times are timezone-aware UTC; reflectance is a float32 ratio (it may leave
0..1); arrays are indexed ``[time, row, column]``; row 0 is the northern edge; a mask is true where
it says yes (``clear`` is true where the ground was seen); areas are in m², distances in m.
Geometry in WGS 84 (EPSG:4326, lon/lat) is called ``*_wgs84``; all other geometry is in the CRS of
the grid it travels with.
"""

from pipeline.model.cases import (
    NO_SWIR,
    RELAPSE,
    RESTORED,
    UNKNOWN_ZH,
    UNRESTORED,
    Case,
    Inherited,
    NotObserved,
    Rechecked,
    RunRecord,
    Standing,
)
from pipeline.model.days import OFFICE_ZONE, office_day
from pipeline.model.findings import (
    DRONE,
    DRONE_DETECTORS,
    DRONE_PICTURES,
    DRONE_SINGLE,
    DRONE_SURFACES,
    PICTURE,
    PICTURES,
    Candidate,
    Evidence,
    Look,
    Sighting,
)
from pipeline.model.flights import (
    Cover,
    FlightCells,
    FlightPixels,
    FlightReader,
    SurfaceFit,
    SurfaceNoise,
)
from pipeline.model.grids import (
    Grid,
    Tile,
    Window,
)
from pipeline.model.levels import (
    stand_alone,
)
from pipeline.model.people import (
    LEAD_OUTLINE,
    LEAD_POINT,
    NO_PLACE_ZH,
    Grade,
    Lead,
    LeadSource,
    PeopleRecord,
    Proposed,
    ReceiverAnswer,
    Severity,
)
from pipeline.model.places import (
    DECIDED_BY_PEOPLE,
    Attribution,
    Corridor,
    LayerArea,
    PermitRef,
    Reach,
    Ruling,
    Spoken,
    Visit,
)
from pipeline.model.scenes import (
    Asset,
    DateQuality,
    Level,
    Pass,
    Scene,
    SetAside,
)
from pipeline.model.words import (
    EvidenceState,
    Ground,
    Kind,
    Seen,
    Status,
)

__all__ = [
    "DECIDED_BY_PEOPLE",
    "DRONE",
    "DRONE_DETECTORS",
    "DRONE_PICTURES",
    "DRONE_SINGLE",
    "DRONE_SURFACES",
    "LEAD_OUTLINE",
    "LEAD_POINT",
    "NO_PLACE_ZH",
    "NO_SWIR",
    "OFFICE_ZONE",
    "PICTURE",
    "PICTURES",
    "RELAPSE",
    "RESTORED",
    "UNKNOWN_ZH",
    "UNRESTORED",
    "Asset",
    "Attribution",
    "Candidate",
    "Case",
    "Corridor",
    "Cover",
    "DateQuality",
    "Evidence",
    "EvidenceState",
    "FlightCells",
    "FlightPixels",
    "FlightReader",
    "Grade",
    "Grid",
    "Ground",
    "Inherited",
    "Kind",
    "LayerArea",
    "Lead",
    "LeadSource",
    "Level",
    "Look",
    "NotObserved",
    "Pass",
    "PeopleRecord",
    "PermitRef",
    "Proposed",
    "Reach",
    "ReceiverAnswer",
    "Rechecked",
    "Ruling",
    "RunRecord",
    "Scene",
    "Seen",
    "SetAside",
    "Severity",
    "Sighting",
    "Spoken",
    "Standing",
    "Status",
    "SurfaceFit",
    "SurfaceNoise",
    "Tile",
    "Visit",
    "Window",
    "office_day",
    "stand_alone",
]
