"""The tables' columns are an interface; their rows are the records, nothing rounded, nothing from the clock."""

import math

from pipeline.params.settings import Configuration
from pipeline.studies.results import curves_table, during_fit_table, timings_table, trials_table
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord

EPOCHS = (
    EpochMetrics(1, 0.9, 0.5, 1.0, 0.4, 1.2, 0.3),
    EpochMetrics(2, 0.1 + 0.2, 0.875, 0.7, 0.75, 0.8, 0.6),
    EpochMetrics(3, 0.2, 0.9, 0.9, 0.7, 0.5, 0.7),
)
RESULT = TrainingResult(42, EPOCHS, 2, False, "abc", 6.0, 3.5, "", "")
DONE = TrialRecord(
    Trial(0, Configuration(cell="gru", units=4, optimizer="sgd"), 7), "COMPLETE", 90, "rows", RESULT, worker="w"
)
FAILED = TrialRecord(Trial(1, Configuration(cell="lstm", units=8), 8), "FAIL", 90, "rows", error="no")


def test_columns_of_trials_csv() -> None:
    header = trials_table([DONE]).to_csv(index=False).splitlines()[0]
    assert header == (
        "number,state,cell,units,depth,bidirectional,dropout,optimizer,learning_rate,batch_size,train_samples,epochs,seed,"
        "parameters,best_epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,generalization_gap,weights_sha256,"
        "recurrent_dropout,merge_mode,unroll,view"
    )


def test_rows_are_those_of_the_best_epoch_and_failures_are_blank() -> None:
    _, done, failed = trials_table([DONE, FAILED]).to_csv(index=False).splitlines()
    assert done == (
        "0,COMPLETE,gru,4,1,False,0.0,sgd,0.01,128,90,20,7,42,2,0.30000000000000004,0.875,0.7,0.75,0.125,abc,0.0,concat,False,rows"
    )
    assert failed == "1,FAIL,lstm,8,1,False,0.0,adam,0.001,128,90,20,8,,,,,,,,,0.0,concat,False,rows"


def test_epoch_tables_have_a_row_for_each_epoch_trained() -> None:
    curves, during = curves_table([DONE, FAILED]), during_fit_table([DONE, FAILED])
    assert curves.to_csv(index=False).splitlines()[2] == "0,2,0.30000000000000004,0.875,0.7,0.75"
    assert during.to_csv(index=False).splitlines() == [
        "number,epoch,loss,accuracy",
        "0,1,1.2,0.3",
        "0,2,0.8,0.6",
        "0,3,0.5,0.7",
    ]


def test_timings_are_apart() -> None:
    header, row = timings_table([DONE, FAILED]).to_csv(index=False).split()
    assert header == "number,fit_seconds,seconds_per_epoch,predict_microseconds_per_sequence,worker"
    assert row == "0,6.0,2.0,3.5,w"


def test_a_refit_without_held_out_data_has_no_gap() -> None:
    alone = TrainingResult(1, (EpochMetrics(1, 0.9, 0.5, None, None, 1.2, 0.3),), 1, False, "", 1.0, math.nan, "", "")
    assert alone.generalization_gap is None
    assert RESULT.generalization_gap == 0.125
