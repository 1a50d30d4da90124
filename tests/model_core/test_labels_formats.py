"""Every publisher's format, by rows written here in their columns; and their spellings of unknown, true and copies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_core.labels import FORMATS, read_label_file, read_labels
from model_core.labels import values as v
from model_core.manifest import COLUMNS, DataError

PAD = "patient_id,lesion_id,smoke,age,gender,fitspatrick,region,diagnostic,img_id,biopsed\n"
ARCHIVE = "isic_id,copyright_license,age_approx,anatom_site_1,anatom_site_2,diagnosis_1,diagnosis_2,diagnosis_3,"
MILK = "lesion_id,AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC\n"
ISIC2020 = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target\n"
ISIC2019 = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"

# one row of each format -> file,diagnosis,confirmation,modality,lesion_id,patient_id,age,sex,site,skin_type
CASES = {
    "HAM10000": (
        "lesion_id,image_id,dx,dx_type,age,sex,localization\nHAM_9,ISIC_9000001,bkl,histo,80.0,male,scalp\n",
        "ISIC_9000001.jpg,benign-keratosis-like-lesion,histopathology,dermoscopy,HAM_9,,80,male,scalp,",
    ),
    "HAM10000, unknown": (
        "lesion_id,image_id,dx,dx_type,age,sex,localization\nHAM_9,ISIC_9000001,nv,follow_up,,unknown,unknown\n",
        "ISIC_9000001.jpg,melanocytic-naevus,follow-up,dermoscopy,HAM_9,,,,,",
    ),
    "ISIC 2017": (
        "image_id,melanoma,seborrheic_keratosis\nISIC_9000001,0.0,1.0\n",
        "ISIC_9000001.jpg,seborrhoeic-keratosis,unknown,dermoscopy,,,,,,",
    ),
    "ISIC 2017, neither column": (
        "image_id,melanoma,seborrheic_keratosis\nISIC_9000001,0,0\n",
        "ISIC_9000001.jpg,melanocytic-naevus,unknown,dermoscopy,,,,,,",
    ),
    "ISIC 2018": (
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_9000001,0.0,0.0,0.0,0.0,0.0,1.0,0.0\n",
        "ISIC_9000001.jpg,dermatofibroma,unknown,dermoscopy,,,,,,",
    ),
    "ISIC 2019": (
        ISIC2019 + "ISIC_9000001_downsampled,0,0,0,0,0,0,0,1,0\n",
        "ISIC_9000001_downsampled.jpg,squamous-cell-carcinoma,unknown,dermoscopy,,,,,,",
    ),
    "ISIC 2020": (
        ISIC2020 + "ISIC_9000001,IP_7,female,45.0,head/neck,melanoma,malignant,1\n",
        "ISIC_9000001.jpg,melanoma,histopathology,dermoscopy,,IP_7,45,female,head/neck,",
    ),
    "ISIC 2020, only known to be benign": (
        ISIC2020 + "ISIC_9000001,IP_7,male,,torso,unknown,benign,0\n",
        "ISIC_9000001.jpg,benign,unknown,dermoscopy,,IP_7,,male,torso,",
    ),
    "ISIC 2024": (
        "isic_id,patient_id,target\nISIC_9000001,IP_7,1.0\n",
        "ISIC_9000001.jpg,malignant,unknown,,,IP_7,,,,",
    ),
    "ISIC Archive": (
        ARCHIVE + "diagnosis_confirm_type,image_type,lesion_id,patient_id,sex\nISIC_9000001,CC-0,85+,Trunk,Anterior "
        "trunk,Benign,Benign melanocytic proliferations,Nevus,serial imaging showing no change,TBP tile: close-up,"
        "'=IL_1,IP_7,male\n",
        "ISIC_9000001.jpg,melanocytic-naevus,follow-up,clinical,=IL_1,IP_7,85,male,anterior trunk,",
    ),
    "MILK10k supplement": (
        "isic_id,diagnosis_full,diagnosis_confirm_type,invasion_thickness_interval\n"
        'ISIC_9000001,"Squamous cell carcinoma in situ, Bowens disease",single contributor clinical assessment,\n',
        "ISIC_9000001.jpg,bowen-disease,clinical,,,,,,,",
    ),
    "PAD-UFES-20": (
        PAD + "PAT_1,20,False,55,FEMALE,3.0,NECK,BCC,PAT_1_20_300.png,True\n",
        "PAT_1_20_300.png,basal-cell-carcinoma,histopathology,clinical,PAT_1_20,PAT_1,55,female,neck,3",
    ),
    "PAD-UFES-20, not biopsied": (
        PAD + "PAT_1,20,,8,,,ARM,NEV,PAT_1_20_300.png,False\n",
        "PAT_1_20_300.png,melanocytic-naevus,consensus,clinical,PAT_1_20,PAT_1,8,,arm,",
    ),
    "Fitzpatrick17k": (
        "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc\n"
        "0123456789abcdef0123456789abcdef,-1,1,psoriasis,inflammatory,non-neoplastic,\n",
        "0123456789abcdef0123456789abcdef.jpg,psoriasis,unknown,clinical,,,,,,",
    ),
    "DDI": (
        ",DDI_ID,DDI_file,skin_tone,malignant,disease\n0,1,000001.png,56,TRUE,melanoma-in-situ\n",
        "000001.png,melanoma-in-situ,histopathology,clinical,,,,,,",
    ),
    "manifest": (
        "file,diagnosis,confirmation,modality,lesion_id,patient_id,age,sex,site,skin_type\n"
        "a/b.png,Melanoma,histopathology,clinical,L1,P1,40,F,back,2\n",
        "a/b.png,melanoma,histopathology,clinical,L1,P1,40,female,back,2",
    ),
    "files with labels": (
        "file,image_id,split,label\ntrain/x/ISIC_9000001.jpg,ISIC_9000001,train,basal cell carcinoma\n",
        "train/x/ISIC_9000001.jpg,basal-cell-carcinoma,unknown,,,,,,,",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_row_of_each_format(tmp_path: Path, name: str) -> None:
    text, expected = CASES[name]
    file = tmp_path / "labels.csv"
    file.write_text(text)
    assert read_label_file(file).format.name == name.partition(",")[0]
    found = read_labels([file])
    (row,) = found.rows
    assert ",".join(getattr(row, column) for column in COLUMNS) == expected
    assert found.problems == ()


def test_every_format_has_a_case() -> None:
    joined_elsewhere = {"ISIC 2017 metadata", "ISIC 2019 metadata", "MILK10k", "MILK10k metadata"}
    like_another = {"PAD-UFES-20 with files", "ISIC Archive without diagnosis"}
    assert len(FORMATS) >= 18
    assert {fmt.name for fmt in FORMATS} == {name.partition(",")[0] for name in CASES} | joined_elsewhere | like_another


def test_numbered_images_get_the_names_of_the_metadata(tmp_path: Path) -> None:
    """ISIC 2017's ground truth as it is: numbers (with commas), nameless columns, an empty row at the end, CRLF."""
    truth, names = tmp_path / "truth.csv", tmp_path / "metadata.csv"
    n = 1001
    ones = {3, 1001}
    names_of = [f'"{i:,}"' if i >= 1000 else str(i) for i in range(1, n + 1)]
    rows = [f"{name},{int(i in ones)},0,,,\r\n" for i, name in enumerate(names_of, start=1)]
    truth.write_bytes(("image_id,melanoma,seborrheic_keratosis,,,\r\n" + "".join(rows) + ",,,,,\r\n").encode())
    ages = "".join(f"ISIC_{90000 + i:07d},{'unknown' if i == 1 else 30},female\n" for i in range(1, n + 1))
    names.write_text("image_id,age_approximate,sex\n" + ages)
    found = read_labels([truth, names])
    assert len(found.rows) == n
    assert [row.file for row in found.rows if row.diagnosis == "melanoma"] == ["ISIC_0090003.jpg", "ISIC_0091001.jpg"]
    assert [row.age for row in found.rows[:2]] == ["", "30"]
    with pytest.raises(DataError, match=r"truth.csv numbers its 1001 images .* 0 of the files given"):
        read_labels([truth])


def test_the_label_of_a_lesion_counts_for_each_of_its_images(tmp_path: Path) -> None:
    truth, metadata = tmp_path / "truth.csv", tmp_path / "metadata.csv"
    truth.write_text(MILK + "IL_1,0,1,0,0,0,0,0,0,0,0,0\nIL_2,0,0,0,0,0,0,0,1,0,0,0\n")
    metadata.write_text(
        "lesion_id,image_type,isic_id,attribution,copyright_license,age_approx,sex,skin_tone_class,site\n"
        "IL_1,clinical: close-up,ISIC_9000001,x,CC-BY,70,male,1,head_neck_face\n"
        "IL_1,dermoscopic,ISIC_9000002,x,CC-BY,70,male,1,head_neck_face\n"
    )
    found = read_labels([metadata, truth])
    assert [(r.file, r.diagnosis, r.modality, r.lesion_id, r.site, r.skin_type) for r in found.rows] == [
        ("ISIC_9000001.jpg", "basal-cell-carcinoma", "clinical", "IL_1", "head neck face", ""),
        ("ISIC_9000002.jpg", "basal-cell-carcinoma", "dermoscopy", "IL_1", "head neck face", ""),
    ]
    assert [(p.kind, p.row) for p in found.problems] == [("missing file", 3)]
    assert "IL_2" in found.problems[0].message


def test_metadata_complete_a_ground_truth(tmp_path: Path) -> None:
    truth, metadata = tmp_path / "truth.csv", tmp_path / "metadata.csv"
    truth.write_text(ISIC2019 + "ISIC_9000001,1,0,0,0,0,0,0,0,0\nISIC_9000002,0,0,0,0,0,0,0,0,1\n")
    metadata.write_text(
        "image,age_approx,anatom_site_general,lesion_id,gender\n"
        "ISIC_9000001,55,anterior torso,BCN_1,female\nISIC_9000002,,,,\n"
    )
    found = read_labels([truth, metadata])
    (row,) = found.rows
    assert (row.diagnosis, row.age, row.sex, row.lesion_id) == ("melanoma", "55", "female", "BCN_1")
    assert [(p.kind, p.value) for p in found.problems] == [("no diagnosis", "UNK")]


def test_the_archives_json_one_by_one_or_as_a_folder(tmp_path: Path) -> None:
    for i, diagnosis in enumerate(["nevus", None], start=1):
        clinical = {"benign_malignant": "benign", "age_approx": 55, "sex": "female", "diagnosis": diagnosis,
                    "diagnosis_confirm_type": None}  # fmt: skip
        content = {"_id": "x", "name": f"ISIC_900000{i}", "meta": {"clinical": clinical, "acquisition": {"image_type":
                   "dermoscopic"}}}  # fmt: skip
        (tmp_path / f"{i}.json").write_text(json.dumps(content))
    one = read_labels([tmp_path / "1.json"])
    assert [(r.file, r.diagnosis, r.age, r.modality) for r in one.rows] == [
        ("ISIC_9000001.jpg", "melanocytic-naevus", "55", "dermoscopy")
    ]
    assert [r.diagnosis for r in read_labels([tmp_path]).rows] == ["melanocytic-naevus", "benign"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "labels.csv has the columns a, b, which are those of no known format: .*HAM10000"),
        ("", "labels.csv has no rows"),
        ("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nI,1,1,0,0,0,0,0\n", "row 2: 2 of the columns MEL, NV.* are 1"),
        ("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nI,0,0,0,0,0,0,0\n", "row 2: 0 of the columns MEL, NV.* are 1"),
        ("image_id,melanoma,seborrheic_keratosis\nI,perhaps,0\n", "row 2: 'perhaps' is neither true nor false"),
        ('image_id,dx\n"a,b\n', "labels.csv, row .: this is not CSV"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels([file])


def test_a_file_that_is_no_utf8_is_named_with_its_row(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes("file,diagnosis\na.png,Nævus\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"labels\.csv, row 2: the byte 0xe6 is not UTF-8"):
        read_labels([file])


def test_spellings_of_unknown_and_true() -> None:
    for text in ("", " ", "unknown", "UNK", "NaN", "nan", "None", "N/A"):
        assert v.known(text) == v.age(text) == v.sex(text) == v.skin_type(text) == ""
        assert v.confirmation(text) == "unknown"
        assert not v.is_true(text)
    assert all(v.is_true(text) for text in ("TRUE", "True", "1.0", "1", "yes"))
    assert not any(v.is_true(text) for text in ("FALSE", "False", "0.0", "0", "no"))
    for reader, text in ((v.age, "old"), (v.age, "-1"), (v.age, "121"), (v.sex, "x"), (v.skin_type, "7"),
                         (v.confirmation, "guess"), (v.modality, "RCM: mosaic"), (v.is_true, "2")):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            reader(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/ISIC_0025509(1).jpg", "ISIC_0025509"),
        ("ISIC_0025509 (2).JPG", "ISIC_0025509"),
        ("c\\lesion - Copy.png", "lesion"),
        ("melanoma.v2", "melanoma.v2"),
        ("PAT_1_2_3.png", "PAT_1_2_3"),
    ],
)
def test_the_id_in_a_file_name(name: str, expected: str) -> None:
    assert v.image_id(name) == expected


def test_only_publishers_ids_are_the_same_image_everywhere() -> None:
    assert v.published_id("x/ISIC_0000030_downsampled.jpg") == "ISIC_0000030"
    assert v.published_id("0123456789abcdef0123456789abcdef.jpg") == "0123456789abcdef0123456789abcdef"
    assert [v.published_id(name) for name in ("IMG_0001.jpg", "000001.png", "DSC01234.JPG")] == ["", "", ""]


@settings(deadline=None)
@given(st.integers(0, 120), st.sampled_from(["{}", "{}.0", " {} ", "{}+"]))
def test_an_age_is_read_however_it_is_written(age: int, form: str) -> None:
    assert v.age(form.format(age)) == str(age)
