"""Encoders that judge: fine-tune one on labelled texts, measure it, export it for Triton.

data       labelled JSONL -> Example, each in a part: train, validation or test
recipe     what to learn and how: frozen dataclasses, read from a YAML file
vocabulary text -> token ids: windows of a long text, a tokenizer trained here or an encoder's own
model      encoder + one linear head per judgement; the folder it is kept in
fit        the one training loop: schedule, checkpoint, resume, early stop, time budget
pretrain   masked words and a teacher's embeddings, for an encoder made from scratch
train      the run as a whole: data -> (pre-training ->) heads -> temperature -> report
predict    logits of texts, by torch or by onnxruntime
metrics    accuracy, F1, AUC, Spearman, calibration
report     report.json, report.md, confusion matrices as pictures
export     ONNX in fp32 and int8, and how far int8 drifts
repository the Triton model repository: model.json, config.pbtxt, versions, model card
label      ask an OpenAI-compatible endpoint for labels
commands   `corpusworks judge train|evaluate|export|label`

torch is imported by model, fit, pretrain, teacher, train and export only; no module imports it by way of
another without need, so that `label` and `evaluate` of an exported model work without it.
"""
