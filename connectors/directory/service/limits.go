package service

const maxAnswer = 256 // characters of one value that a person gives
