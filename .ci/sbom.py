"""Judges bills of materials by the validators of those who keep the formats."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

bad = 0
for name in sys.argv[1:]:
    if name.endswith(".cdx.json"):
        with open(name, encoding="utf-8") as f:
            fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(f.read())
        faults = [fault] if fault else []
    else:
        faults = [m.validation_message for m in validate_full_spdx_document(parse_file(name))]
    bad += len(faults)
    print(name, faults or "valid")
sys.exit(bad > 0)
