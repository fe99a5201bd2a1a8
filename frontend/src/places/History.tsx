export const History = () => <p>History</p>;
